import type { OpenDatabase } from "./an-environment.ts";

/** The recorded environment as a MariaDB can hold it: TIMESTAMP from 1970 to 2037, DATETIME in seconds, FLOAT in 32 bits. */
export async function fitForMariadb(database: Pick<OpenDatabase, "query">): Promise<void> {
  const columns = await database.query<{ table: string; column: string; type: string }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_attribute a
     join pg_class c on c.oid = a.attrelid and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
     where a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'float8'::regtype) and a.attnum > 0`,
  );
  const fitted: Readonly<Record<string, (name: string) => string>> = {
    "timestamp with time zone": (name) => `greatest('1970-01-02Z', least('2037-12-31Z', ${name}))`,
    "timestamp without time zone": (name) => `date_trunc('second', ${name})`,
    "double precision": (name) => `${name}::real::double precision`,
  };
  await database.query(
    columns
      .map(({ table, column, type }) => {
        const value = fitted[type]?.(`"${column}"`);
        return `update "${table}" set "${column}" = ${value} where "${column}" is not null and "${column}" <> ${value}`;
      })
      .join(";"),
  );
}
