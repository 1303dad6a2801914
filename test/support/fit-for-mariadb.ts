import type { OpenDatabase } from "./an-environment.ts";
import type { MariadbServer, TestMariadb } from "./mariadb.ts";

/**
 * The recorded environment as a MariaDB can hold it: TIMESTAMP from 1970 to 2037, DATETIME in seconds, FLOAT in 32 bits; for a MySQL documents
 * without their text, too.
 */
export async function fitForMariadb(
  database: Pick<OpenDatabase, "query">,
  product: MariadbServer["product"] = "MariaDB",
): Promise<void> {
  const columns = await database.query<{ table: string; column: string; type: string }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_attribute a
     join pg_class c on c.oid = a.attrelid and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
     where a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'float8'::regtype, 'json'::regtype) and a.attnum > 0`,
  );
  const fitted: Readonly<Record<string, (name: string) => string>> = {
    "timestamp with time zone": (name) => `greatest('1970-01-02Z', least('2037-12-31Z', ${name}))`,
    "timestamp without time zone": (name) => `date_trunc('second', ${name})`,
    "double precision": (name) => `${name}::real::double precision`,
    ...(product === "MySQL" ? { json: (name) => `${name}::jsonb::json` } : {}),
  };
  await database.query(
    columns
      .flatMap(({ table, column, type }) => {
        const value = fitted[type]?.(`"${column}"`);
        const where = `where "${column}" is not null and "${column}"::text <> (${value})::text`;
        return value === undefined ? [] : [`update "${table}" set "${column}" = ${value} ${where}`];
      })
      .join(";"),
  );
}

/** Characters that a set has no place for. */
const BEYOND: Readonly<Record<string, string>> = {
  utf8mb3: String.raw`[\U00010000-\U0010FFFF]`,
  latin1: String.raw`[^\u0001-\u007F\u00A0-\u00FF]`,
};

/** Puts a question mark for characters that the columns of a database have no place for. */
export async function fitTexts(database: Pick<OpenDatabase, "query">, mysql: TestMariadb): Promise<void> {
  const held = await mysql.query(
    "select table_name as t, column_name as c, character_set_name as s from information_schema.columns where table_schema = database()",
  );
  const there = await database.query<{ name: string }>(
    `select table_name || '.' || column_name as name from information_schema.columns
     where table_schema = 'public' and data_type in ('text', 'character varying')`,
  );
  const texts = new Set(there.map(({ name }) => name));
  const updates = held.flatMap((row) => {
    const [table, column] = [String(row["t"]), String(row["c"])];
    const beyond = BEYOND[String(row["s"])];
    if (beyond === undefined || !texts.has(`${table}.${column}`)) return [];
    return [
      `update "${table}" set "${column}" = regexp_replace("${column}", '${beyond}', '?', 'g') where "${column}" ~ '${beyond}'`,
    ];
  });
  await database.query(["set session_replication_role = replica", ...updates].join(";"));
}
