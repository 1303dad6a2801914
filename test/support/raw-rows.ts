import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Client } from "pg";

const FIXTURES = join(import.meta.dirname, "../fixtures");

/** A value as SQLAlchemy gives it to a driver that has no booleans, times, UUIDs or JSON. */
export type PlainValue = null | number | string | Buffer;

/** Some rows of a table in plain values. */
export interface PlainRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly PlainValue[])[];
  /** The first rows of the table; there may be none. */
  readonly isFirst: boolean;
}

/** Rows at once. */
const PAGE_ROWS = 2000;

/** A recorded text: statements that a genuine Airflow's own schema is made with. */
export async function recordedText(name: string): Promise<string> {
  return (await promisify(gunzip)(await readFile(join(FIXTURES, name)))).toString("utf8");
}

/** PostgreSQL's types by oid (pg_type.dat) whose values other databases keep in another form; all others go as text. */
const FORMS: Readonly<Record<number, (text: string) => PlainValue>> = {
  16: (text) => (text === "t" ? 1 : 0),
  17: (text) => Buffer.from(text.slice(2), "hex"),
  20: Number,
  23: Number,
  701: Number,
  1114: (text) => plainTime(text),
  1184: (text) => plainTime(text),
};

/** `2025-01-01 00:00:00.123456`, always six digits: SQLAlchemy's storage format for DATETIME in SQLite. */
function plainTime(text: string): string {
  const [, second = "", fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(text) ?? [];
  return `${second}.${fraction.padEnd(6, "0")}`;
}

/** The rows of a Postgres in plain values: what an Airflow of that release would hold on another database after the same work. */
export async function* plainRows(url: string): AsyncGenerator<PlainRows> {
  const client = new Client({
    connectionString: url,
    options: "-c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3",
  });
  await client.connect();
  try {
    await client.query("begin");
    const names = await client.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public' order by 1",
    );
    for (const { name } of names.rows) yield* tableRows(client, name);
  } finally {
    await client.end();
  }
}

async function* tableRows(client: Client, table: string): AsyncGenerator<PlainRows> {
  await client.query(`declare plain cursor for select * from "${table}"`);
  for (let isFirst = true; ; isFirst = false) {
    const result = await client.query<PlainValue[]>({
      text: `fetch ${PAGE_ROWS} from plain`,
      rowMode: "array",
      types: { getTypeParser: (oid: number) => FORMS[oid] ?? ((text: string) => text) },
    });
    const { rows } = result;
    if (rows.length > 0 || isFirst) yield { table, columns: result.fields.map((field) => field.name), rows, isFirst };
    if (rows.length < PAGE_ROWS) break;
  }
  await client.query("close plain");
}
