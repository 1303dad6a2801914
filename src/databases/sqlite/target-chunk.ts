import type { DatabaseSync } from "node:sqlite";
import type { UploadChunk, UploadRows } from "../../ports/raw-target.ts";
import { csvRows } from "../csv-rows.ts";
import { uploadConflict } from "../problems.ts";
import { quoted } from "./sqlite.ts";

type Value = string | Buffer | null;
type Values = readonly Value[];

/**
 * A number in a column of JSON would become SQLite's own, `3.0` the whole number 3: as bytes it stays what it is, and json.loads of Airflow's takes
 * them.
 */
function isLonelyNumber(declared: string, text: string): boolean {
  return declared === "JSON" && /^-?\d/.test(text);
}

/** The rows as SQLite takes them; texts become numbers where the column is one of numbers. */
async function* valuesOf(database: DatabaseSync, table: string, rows: UploadRows): AsyncGenerator<Values> {
  const types = new Map(
    database
      .prepare("select name, upper(type) as type from pragma_table_info(?)")
      .all(table)
      .map((row) => [String(row["name"]), String(row["type"])]),
  );
  const columns = rows.columns.map(({ name, isHex }) => ({ isHex, declared: types.get(name) ?? "" }));
  await using stream = await rows.open();
  for await (const row of csvRows(stream)) {
    yield row.map((value, at) => {
      const { isHex = false, declared = "" } = columns[at] ?? {};
      if (value === null) return null;
      if (isHex) return Buffer.from(value.toString("latin1"), "hex");
      const text = value.toString("utf8");
      return isLonelyNumber(declared, text) ? Buffer.from(value) : text;
    });
  }
}

interface Shape {
  readonly table: string;
  readonly columns: readonly string[];
  /** Where the columns of the key are among them. */
  readonly keyAt: readonly number[];
}

const AND = " and ";

function isAll(columns: readonly string[]): string {
  return columns.map((name) => `${quoted(name)} is ?`).join(AND);
}

/** What one kind of chunk does with a row; false: something else is in the way. */
type Step = (row: Values) => boolean;

function inserting(database: DatabaseSync, { table, columns }: Shape): Step {
  const names = columns.map(quoted).join(", ");
  const marks = columns.map(() => "?").join(", ");
  const insert = database.prepare(`insert into ${quoted(table)} (${names}) values (${marks}) on conflict do nothing`);
  const find = database.prepare(`select 1 from ${quoted(table)} where ${isAll(columns)}`);
  return (row) => insert.run(...row).changes === 1 || find.get(...row) !== undefined;
}

function deleting(database: DatabaseSync, { table, columns, keyAt }: Shape): Step {
  const remove = database.prepare(`delete from ${quoted(table)} where ${isAll(columns)}`);
  const find = database.prepare(`select 1 from ${quoted(table)} where ${isAll(keyAt.map((at) => columns[at] ?? ""))}`);
  const keyOf = (row: Values) => keyAt.map((at) => row[at] ?? null);
  return (row) => remove.run(...row).changes === 1 || find.get(...keyOf(row)) === undefined;
}

function sameValue(one: Value | undefined, other: Value | undefined): boolean {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other)
    ? Buffer.compare(one, other) === 0
    : (one ?? null) === (other ?? null);
}

/** Column by column: what the copy changed is written, what it left alone stays as the target has it now. */
function updating(database: DatabaseSync, { table, columns, keyAt }: Shape, before: ReadonlyMap<string, Values>): Step {
  return (row) => {
    const was = before.get(keyText(row, keyAt)) ?? [];
    const changed = columns.flatMap((name, at) => (sameValue(row[at], was[at]) ? [] : [{ name: quoted(name), at }]));
    if (changed.length === 0) return true;
    const sets = changed.map(({ name }) => `${name} = ?`).join(", ");
    const where = [
      isAll(keyAt.map((at) => columns[at] ?? "")),
      ...changed.map(({ name }) => `(${name} is ? or ${name} is ?)`),
    ];
    const update = database.prepare(`update ${quoted(table)} set ${sets} where ${where.join(AND)}`);
    const value = (of: Values, at: number) => of[at] ?? null;
    const unchanged = changed.flatMap(({ at }) => [value(was, at), value(row, at)]);
    return (
      update.run(...changed.map(({ at }) => value(row, at)), ...keyAt.map((at) => value(row, at)), ...unchanged)
        .changes === 1
    );
  };
}

function keyPart(value: Value | undefined): string | null {
  return Buffer.isBuffer(value) ? value.toString("hex") : (value ?? null);
}

function keyText(row: Values, keyAt: readonly number[]): string {
  return JSON.stringify(keyAt.map((at) => keyPart(row[at])));
}

async function rowsByKey(database: DatabaseSync, { table, keyAt }: Shape, rows: UploadRows) {
  const found = new Map<string, Values>();
  for await (const row of valuesOf(database, table, rows)) found.set(keyText(row, keyAt), row);
  return found;
}

async function stepFor(database: DatabaseSync, shape: Shape, { after, before }: UploadChunk): Promise<Step> {
  if (after === undefined) return deleting(database, shape);
  if (before === undefined) return inserting(database, shape);
  return updating(database, shape, await rowsByKey(database, shape, before));
}

/** Writes a chunk's rows, in the connection's transaction; gives their number. Throws UPLOAD_CONFLICT. */
export async function writeRows(database: DatabaseSync, chunk: UploadChunk): Promise<number> {
  const { table, after, before } = chunk;
  const rows = after ?? before;
  if (rows === undefined) return 0;
  const columns = rows.columns.map(({ name }) => name);
  const shape = { table: table.name, columns, keyAt: table.key.map((name) => columns.indexOf(name)) };
  const step = await stepFor(database, shape, chunk);
  let count = 0;
  for await (const row of valuesOf(database, table.name, rows)) {
    if (!step(row)) {
      const detail = `a row of the target's own has the key of a copied one, or one of its unique values, and is another one`;
      throw uploadConflict({ table: table.name, chunk: chunk.name, detail });
    }
    count += 1;
  }
  return count;
}
