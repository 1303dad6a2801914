import { decryptToken, type FernetKeys } from "../../src/airflow/codecs/index.ts";
import type { TestMariadb } from "./mariadb.ts";
import { type PlainValue, plainRows } from "./raw-rows.ts";

/** Ids that a target gives by itself, and nothing refers to. */
const NUMBERED_BY_TARGET: ReadonlySet<string> = new Set([
  "task_instance_history.id",
  "connection.id",
  "variable.id",
  "slot_pool.id",
  "log_template.id",
]);
const SECRETS: ReadonlySet<string> = new Set(["connection.password", "connection.extra", "variable.val"]);
/** Written by Airflow itself when it makes a database, at another time in each. */
const OWN_TIMES: ReadonlySet<string> = new Set(["log_template.created_at"]);

interface Form {
  readonly isFloat: boolean;
  readonly isTime: boolean;
  /** Text that the driver would parse for JSON. */
  readonly isLong: boolean;
  /** MySQL's own JSON: the document, and not its text. */
  readonly isDocument: boolean;
  /** A UUID without its dashes. */
  readonly isBare: boolean;
}

async function formsOf(mariadb: TestMariadb): Promise<ReadonlyMap<string, Form>> {
  const rows = await mariadb.query(
    "select table_name as t, column_name as c, data_type as d, character_maximum_length as n from information_schema.columns where table_schema = database()",
  );
  return new Map(
    rows.map((row) => [
      `${String(row["t"])}.${String(row["c"])}`,
      {
        isFloat: row["d"] === "float",
        isTime: /^(timestamp|datetime)$/.test(String(row["d"])),
        isLong: row["d"] === "longtext" || row["d"] === "json",
        isDocument: row["d"] === "json",
        isBare: row["d"] === "char" && Number(row["n"]) === 32,
      },
    ]),
  );
}

/** `2025-01-01 00:00:00.123456`: six digits, whatever the column shows. */
function sixDigits(value: string): string {
  const [second = "", fraction = ""] = value.split(".");
  return `${second}.${fraction.padEnd(6, "0")}`;
}

/** A document as text, whatever the order of its keys. */
function plainDocument(text: string): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, of]) => [key, sorted(of)] as const)
        .sort(([one], [other]) => (one < other ? -1 : 1)),
    );
  };
  return JSON.stringify(sorted(JSON.parse(text)));
}

/** A value of either side as the other one would have it. MariaDB has no zero below zero, MySQL has. */
function alike(value: PlainValue | undefined, form: Form | undefined): PlainValue | undefined {
  if (form?.isFloat === true && typeof value === "number") return Math.fround(value) + 0;
  if (typeof value !== "string") return value;
  if (form?.isDocument === true) return plainDocument(value);
  return form?.isBare === true ? value.replaceAll("-", "") : value;
}

/** A value as text that is the same from both databases. */
function said(value: PlainValue | undefined, name: string, keys: FernetKeys): string {
  if (value === null || value === undefined) return "NULL";
  if (Buffer.isBuffer(value)) return `bytes ${value.toString("hex")}`;
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  if (!SECRETS.has(name)) return text;
  const plain = decryptToken(keys, text)?.plain;
  return plain === undefined ? `plain ${text}` : `decrypted ${plain.toString()}`;
}

/**
 * Compares a target on MariaDB with one of the same release on Postgres, value by value, by the driver alone: nothing of ours reads a row.
 *
 * @returns a sentence per difference; none when they are equal
 */
export async function compareWithMariadb(
  postgres: string,
  mariadb: TestMariadb,
  keys: FernetKeys,
): Promise<readonly string[]> {
  const forms = await formsOf(mariadb);
  const differences: string[] = [];
  const rowsOf = new Map<string, { columns: readonly string[]; rows: string[] }>();
  for await (const { table, columns, rows } of plainRows(postgres)) {
    const names = columns.map((column) => `${table}.${column}`);
    const known = rowsOf.get(table) ?? { columns, rows: [] };
    known.rows.push(
      ...rows.map((row) => {
        const values = row.map((value, at) => {
          const name = names[at] ?? "";
          return isCompared(name) ? `${name}=${said(alike(value, forms.get(name)), name, keys)}` : "";
        });
        return values.join(" | ");
      }),
    );
    rowsOf.set(table, known);
  }
  for (const [table, { columns, rows }] of rowsOf) {
    const list = columns.map((column) => {
      const form = forms.get(`${table}.${column}`);
      if (form?.isFloat === true) return `\`${column}\` * 1e0 as \`${column}\``;
      return form?.isTime === true || form?.isLong === true
        ? `cast(\`${column}\` as char) as \`${column}\``
        : `\`${column}\``;
    });
    const theirs = (await mariadb.query(`select ${list.join(", ")} from \`${table}\``)).map((row) =>
      columns
        .map((column) => {
          const name = `${table}.${column}`;
          const value = row[column] as PlainValue;
          const time = forms.get(name)?.isTime === true && typeof value === "string" ? sixDigits(value) : value;
          return isCompared(name) ? `${name}=${said(alike(time, forms.get(name)), name, keys)}` : "";
        })
        .join(" | "),
    );
    differences.push(...onlyIn(rows, theirs).map((row) => `missing: ${row}`));
    differences.push(...onlyIn(theirs, rows).map((row) => `too many: ${row}`));
  }
  return differences;
}

function isCompared(name: string): boolean {
  return !NUMBERED_BY_TARGET.has(name) && !OWN_TIMES.has(name);
}

function onlyIn(rows: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const left = counts.get(row) ?? 0;
    counts.set(row, left - 1);
    return left <= 0;
  });
}
