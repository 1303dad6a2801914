import type { DatabaseSync } from "node:sqlite";
import type { TableNumbers, TargetColumn, TargetTable } from "../../ports/raw-target.ts";
import { quoted } from "./sqlite.ts";

/** Bytes of the longest character of a text. */
const BYTES_OF_CHARACTER = 4;

/** What declared types really hold: a FLOAT 64 bits; times and documents are texts. Source: https://www.sqlite.org/datatype3.html */
const HELD: Readonly<Record<string, string>> = { float: "double", timestamp: "text", datetime: "text", json: "text" };

function columnOf(row: Readonly<Record<string, unknown>>): TargetColumn {
  const [, declared = "", length] = /^([^(]*?)\s*(?:\((\d+)\))?$/.exec(String(row["type"]).toLowerCase()) ?? [];
  return {
    name: String(row["name"]),
    type: HELD[declared] ?? declared,
    ignoresCase: false,
    isRequired: Number(row["notnull"]) === 1,
    ...(declared === "char" && length !== undefined ? { mostBytes: Number(length) * BYTES_OF_CHARACTER } : {}),
  };
}

/** A key of one whole number is the row's own number. Without AUTOINCREMENT the next row gets one more than the highest. */
function numbersOf(database: DatabaseSync, name: string, key: readonly string[]): TableNumbers | undefined {
  const [column] = key;
  if (column === undefined || key.length > 1) return undefined;
  const [declared] = database.prepare("select type from pragma_table_info(?) where name = ?").all(name, column);
  if (String(declared?.["type"]).toUpperCase() !== "INTEGER") return undefined;
  const [row] = database.prepare(`select max(${quoted(column)}) as high from ${quoted(name)}`).all();
  return { column, next: Number(row?.["high"] ?? 0) + 1 };
}

function readTable(database: DatabaseSync, name: string): TargetTable {
  const all = (sql: string, of: string) => database.prepare(sql).all(of);
  const columns = all('select name, type, "notnull", pk from pragma_table_info(?) order by pk, cid', name);
  const key = columns.filter((row) => Number(row["pk"]) > 0).map((row) => String(row["name"]));
  const indexes = all(
    `select name from pragma_index_list(?) where "unique" = 1 and origin <> 'pk' and partial = 0`,
    name,
  );
  const uniques = indexes.map((row) => ({
    name: String(row["name"]),
    columns: all("select name from pragma_index_info(?) order by seqno", String(row["name"])).map(
      (each) => each["name"],
    ),
  }));
  const numbers = numbersOf(database, name, key);
  return {
    name,
    columns: columns.map(columnOf),
    key,
    // A part that is an expression has no name.
    uniques: uniques.flatMap((each) =>
      each.columns.every((column) => typeof column === "string") ? [{ ...each, columns: each.columns }] : [],
    ),
    references: all(`select distinct "table" as name from pragma_foreign_key_list(?)`, name).map((row) =>
      String(row["name"]),
    ),
    ...(numbers === undefined ? {} : { numbers }),
  };
}

/** Tables with what decides which values they take. */
export function readTargetTables(database: DatabaseSync, names: readonly string[]): readonly TargetTable[] {
  return names.map((name) => readTable(database, name));
}
