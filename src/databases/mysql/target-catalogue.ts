import type { Connection } from "mysql2";
import type { TableNumbers, TargetColumn, TargetTable } from "../../ports/raw-target.ts";
import { ask, quoted, textOf, type Values } from "./ask.ts";

/** Without columns that the server computes: nobody writes them. */
const COLUMNS = `
  select c.table_name as t, c.column_name as name, lower(c.data_type) as type, c.character_set_name as charset,
    c.collation_name as \`collation\`, c.character_octet_length as octets, c.datetime_precision as fraction, c.extra as extra, c.is_nullable as nullable
  from information_schema.columns c
  join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
  where c.table_schema = database() and t.table_type = 'BASE TABLE' and coalesce(c.generation_expression, '') = ''
  order by c.table_name, c.ordinal_position`;

const UNIQUES = `
  select table_name as t, index_name as name, column_name as c from information_schema.statistics
  where table_schema = database() and non_unique = 0 order by table_name, index_name, seq_in_index`;

const REFERENCES = `
  select distinct table_name as t, referenced_table_name as r from information_schema.key_column_usage
  where table_schema = database() and referenced_table_schema = database() and referenced_table_name is not null order by 1, 2`;

/** MySQL 8 remembers these numbers for a day, unless it is told not to; MariaDB knows no such setting. */
const FRESH = "set session information_schema_stats_expiry = 0";

const NUMBERS = `
  select table_name as t, auto_increment as n from information_schema.tables
  where table_schema = database() and auto_increment is not null`;

/** MariaDB's own sequences, which SQLAlchemy uses there where a model names one. */
const SEQUENCES = `
  select table_name as s from information_schema.tables where table_schema = database() and table_type = 'SEQUENCE'`;

/** By the name that Airflow's and Flask-AppBuilder's models give them: `ab_user_id_seq` numbers `ab_user.id`. */
async function readSequences(connection: Connection): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  for (const row of await ask(connection, SEQUENCES)) {
    const name = textOf(row["s"]);
    const [value] = await ask(connection, `select next_not_cached_value as n from ${quoted(name)}`);
    numbers.set(name, Number(value?.["n"] ?? 1));
  }
  return numbers;
}

/** Seconds of a TIMESTAMP: 32 bits, of which newer MariaDBs use the last one, too. Source: MariaDB documentation, "TIMESTAMP". */
const TIMESTAMP_ENDS = { signed: "2038-01-19 03:14:08", unsigned: "2106-02-07 06:28:16" } as const;

/** MySQL reckons with later times than it keeps. */
async function timestampEnds(connection: Connection, product: "MySQL" | "MariaDB"): Promise<string> {
  const [row] = await ask(connection, "select from_unixtime(2147483648) is not null as later");
  return product === "MariaDB" && textOf(row?.["later"]) === "1" ? TIMESTAMP_ENDS.unsigned : TIMESTAMP_ENDS.signed;
}

function columnOf(row: Values, endsAt: string): TargetColumn {
  const [charset, octets] = [textOf(row["charset"]), textOf(row["octets"])];
  const fraction = textOf(row["fraction"]);
  return {
    name: textOf(row["name"]),
    type: textOf(row["type"]),
    ...(charset === "" ? {} : { charset }),
    isRequired: textOf(row["nullable"]) === "NO",
    ignoresCase: textOf(row["collation"]).endsWith("_ci"),
    ...(octets === "" ? {} : { mostBytes: Number(octets) }),
    ...(fraction === "" ? {} : { fraction: Number(fraction) }),
    ...(textOf(row["type"]) === "timestamp" ? { endsAt } : {}),
  };
}

function numbersOf(
  { name, key, rows }: { readonly name: string; readonly key: readonly string[]; readonly rows: readonly Values[] },
  attributes: ReadonlyMap<string, number>,
  sequences: ReadonlyMap<string, number>,
): TableNumbers | undefined {
  const attribute = attributes.get(name);
  const column = rows.find((row) => /auto_increment/i.test(textOf(row["extra"])));
  if (attribute !== undefined && column !== undefined) return { column: textOf(column["name"]), next: attribute };
  const [only] = key;
  const sequence = `${name}_${only ?? ""}_seq`;
  const next = sequences.get(sequence);
  return key.length !== 1 || only === undefined || next === undefined ? undefined : { column: only, next, sequence };
}

/** Tables with what decides which values they take. */
export async function readTables(
  connection: Connection,
  product: "MySQL" | "MariaDB",
): Promise<readonly TargetTable[]> {
  if (product === "MySQL") await ask(connection, FRESH).catch(() => undefined);
  const byTable = (rows: readonly Values[]) => Map.groupBy(rows, (row) => textOf(row["t"]));
  const columns = byTable(await ask(connection, COLUMNS));
  const keys = byTable(await ask(connection, UNIQUES));
  const references = byTable(await ask(connection, REFERENCES));
  const sequences = await readSequences(connection);
  const endsAt = await timestampEnds(connection, product);
  const attributes = new Map((await ask(connection, NUMBERS)).map((row) => [textOf(row["t"]), Number(row["n"])]));
  return [...columns].map(([name, rows]) => {
    const byName = Map.groupBy(keys.get(name) ?? [], (row) => textOf(row["name"]));
    const all = [...byName].map(([key, parts]) => ({ name: key, columns: parts.map((row) => textOf(row["c"])) }));
    // A part that is an expression has no name, and one that is computed is not read.
    const read = new Set(rows.map((row) => textOf(row["name"])));
    const uniques = all.filter((unique) => unique.columns.every((column) => read.has(column)));
    const key = uniques.find((each) => each.name === "PRIMARY")?.columns ?? [];
    const numbered = numbersOf({ name, key, rows }, attributes, sequences);
    return {
      name,
      columns: rows.map((row) => columnOf(row, endsAt)),
      key,
      uniques: uniques.filter((each) => each.name !== "PRIMARY"),
      references: (references.get(name) ?? []).map((row) => textOf(row["r"])),
      ...(numbered === undefined ? {} : { numbers: numbered }),
    };
  });
}
