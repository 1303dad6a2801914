import type { Connection } from "mysql2";
import type {
  TargetColumn,
  TargetTable,
  UploadChunk,
  UploadClaim,
  Uploaded,
  UploadRows,
} from "../../ports/raw-target.ts";
import { uploadConflict, uploadRefused } from "../problems.ts";
import { ask, quoted } from "./ask.ts";
import { ledgerTable, writeParts } from "./target-ledger.ts";
import { type Abilities, change, DUPLICATE, load, type Place, reasonOf } from "./target-load.ts";

const AFTER = "crosswind_after";
const BEFORE = "crosswind_before";

async function countOf(connection: Connection, sql: string): Promise<number> {
  const [row] = await ask(connection, sql);
  return Number(row?.["n"] ?? 0);
}

/** Texts are compared by their bytes: for their own collation `a` may be `A`. */
const IS_TEXT = /char|text|enum|blob|binary/;

function same(column: TargetColumn, a: string, b: string): string {
  const [left, right] = [`${a}.${quoted(column.name)}`, `${b}.${quoted(column.name)}`];
  return IS_TEXT.test(column.type)
    ? `(cast(${left} as binary) <=> cast(${right} as binary))`
    : `(${left} <=> ${right})`;
}

function onKey({ key }: TargetTable, a: string, b: string): string {
  return key.map((name) => `${a}.${quoted(name)} = ${b}.${quoted(name)}`).join(" and ");
}

/** The columns of the rows on their way, as the table has them. */
function sentColumns(table: TargetTable, rows: UploadRows): readonly TargetColumn[] {
  const names = new Set(rows.columns.map(({ name }) => name));
  return table.columns.filter(({ name }) => names.has(name));
}

interface Writing {
  readonly chunk: UploadChunk;
  readonly place: Place;
}

async function stopWhere(connection: Connection, sql: string, { place }: Writing, said: string): Promise<void> {
  const count = await countOf(connection, sql);
  if (count > 0) throw uploadConflict({ ...place, detail: `${count} ${count === 1 ? "row" : "rows"} ${said}` });
}

/** Rows that are there already, the same in every value, are ours from an earlier life. */
async function insertMissing(connection: Connection, writing: Writing, after: UploadRows): Promise<void> {
  const { table } = writing.chunk;
  const columns = sentColumns(table, after);
  const into = quoted(table.name);
  const isSame = columns.map((column) => same(column, "a", "t")).join(" and ");
  await stopWhere(
    connection,
    `select count(*) as n from ${AFTER} a join ${into} t on ${onKey(table, "a", "t")} where not (${isSame})`,
    writing,
    "with the key of a copied row and other values",
  );
  const names = columns.map(({ name }) => quoted(name));
  const [first = ""] = table.key;
  await change(
    connection,
    `insert into ${into} (${names.join(", ")}) select ${names.map((name) => `a.${name}`).join(", ")} from ${AFTER} a
     left join ${into} t on ${onKey(table, "a", "t")} where t.${quoted(first)} is null`,
  );
}

/** Column by column: what the copy changed is written, what it left alone stays as the target has it now. */
async function updateChanged(connection: Connection, writing: Writing, after: UploadRows): Promise<void> {
  const { table } = writing.chunk;
  const columns = sentColumns(table, after).filter(({ name }) => !table.key.includes(name));
  const into = quoted(table.name);
  const [first = ""] = table.key;
  await stopWhere(
    connection,
    `select count(*) as n from ${AFTER} a left join ${into} t on ${onKey(table, "a", "t")} where t.${quoted(first)} is null`,
    writing,
    "that the copy changes were deleted",
  );
  if (columns.length === 0) return;
  const joined = `join ${AFTER} a on ${onKey(table, "a", "t")} join ${BEFORE} b on ${onKey(table, "b", "t")}`;
  const both = columns
    .map((each) => `(not ${same(each, "a", "b")} and not ${same(each, "t", "b")} and not ${same(each, "t", "a")})`)
    .join(" or ");
  await stopWhere(
    connection,
    `select count(*) as n from ${into} t ${joined} where ${both} for update`,
    writing,
    "that the copy changes were changed in the same columns",
  );
  const sets = columns.map((each) => {
    const name = quoted(each.name);
    return `t.${name} = if(${same(each, "a", "b")}, t.${name}, a.${name})`;
  });
  await change(connection, `update ${into} t ${joined} set ${sets.join(", ")}`);
}

async function deleteRows(connection: Connection, writing: Writing, before: UploadRows): Promise<void> {
  const { table } = writing.chunk;
  const into = quoted(table.name);
  const isSame = sentColumns(table, before)
    .map((column) => same(column, "b", "t"))
    .join(" and ");
  const joined = `join ${BEFORE} b on ${onKey(table, "b", "t")}`;
  await stopWhere(
    connection,
    `select count(*) as n from ${into} t ${joined} where not (${isSame}) for update`,
    writing,
    "that make room for replaced runs were changed",
  );
  await change(connection, `delete t from ${into} t ${joined}`);
}

/** Claims the chunk: false where it is there. A second worker waits here for the first one's transaction. */
async function claimChunk(connection: Connection, ledger: string, { run, chunk }: UploadClaim): Promise<boolean> {
  try {
    await change(connection, `insert into ${ledger} (run, chunk, rows_written) values (?, ?, 0)`, {
      values: [run, chunk],
    });
    return true;
  } catch (error) {
    if ((error as { errno?: unknown }).errno === DUPLICATE) return false;
    throw error;
  }
}

export interface WriteOptions {
  readonly abilities: Abilities;
  /** The database that is written to, whose ledger takes the chunk's claim. */
  readonly database: string;
}

async function makeTemporary(connection: Connection, name: string, { table }: UploadChunk): Promise<void> {
  await ask(connection, `drop temporary table if exists ${name}`);
  await ask(connection, `create temporary table ${name} like ${quoted(table.name)}`);
}

/** By way of temporary tables, which tell what is in the way; gives the rows. */
async function writeCarefully(connection: Connection, chunk: UploadChunk, abilities: Abilities): Promise<number> {
  const { after, before, table } = chunk;
  const place = { table: table.name, chunk: chunk.name };
  const writing = { chunk, place };
  let rows = 0;
  if (before !== undefined) rows = await load(connection, BEFORE, { rows: before, abilities, place });
  if (after !== undefined) rows = await load(connection, AFTER, { rows: after, abilities, place });
  if (after === undefined) {
    if (before !== undefined) await deleteRows(connection, writing, before);
  } else if (before === undefined) await insertMissing(connection, writing, after);
  else await updateChanged(connection, writing, after);
  return rows;
}

type Write = (connection: Connection, chunk: UploadChunk, abilities: Abilities) => Promise<number>;

/** One transaction with the chunk's row in the ledger; its failure has rolled it back. */
async function inTransaction(
  connection: Connection,
  chunk: UploadChunk,
  { abilities, database, write }: WriteOptions & { readonly write: Write },
): Promise<Uploaded> {
  const { claim, keeps } = chunk;
  const ledger = ledgerTable(database, "chunk");
  await ask(connection, "start transaction");
  try {
    const isNew = claim === undefined || (await claimChunk(connection, ledger, claim));
    const rows = isNew ? await write(connection, chunk, abilities) : 0;
    if (isNew && claim !== undefined) {
      if (keeps !== undefined) await writeParts(connection, database, { chunk: chunk.name, ledger: keeps });
      const values = [rows, claim.run, claim.chunk];
      await change(connection, `update ${ledger} set rows_written = ? where run = ? and chunk = ?`, { values });
    }
    await ask(connection, isNew ? "commit" : "rollback");
    return { isNew, rows };
  } catch (error) {
    // The first error is the one to tell: where the connection is gone, the server rolls back by itself.
    await ask(connection, "rollback").catch(() => undefined);
    throw error;
  }
}

/** Errors of a value and of a key, by number. Source: MySQL manual, "Server Error Message Reference". */
const IN_THE_WAY: ReadonlySet<number> = new Set([DUPLICATE, 1451, 1452]);
const REFUSED: ReadonlySet<number> = new Set([1048, 1054, 1153, 1264, 1265, 1292, 1364, 1366, 1406, 3140, 3819, 4025]);

function asProblem(error: unknown, chunk: UploadChunk): unknown {
  const { errno = 0, sqlMessage = "" } = error as { errno?: number; sqlMessage?: string };
  const place = { table: chunk.table.name, chunk: chunk.name };
  const options = { cause: error };
  if (errno === DUPLICATE) {
    const key = /for key ['`]?([^'`]+)['`]?/.exec(sqlMessage)?.[1] ?? "a unique key";
    return uploadConflict(
      { ...place, detail: `a row has the value of a copied one in the unique key ${key}` },
      options,
    );
  }
  if (IN_THE_WAY.has(errno)) {
    return uploadConflict(
      { ...place, detail: "a row that it refers to, or that refers to it, is another one now" },
      options,
    );
  }
  if (REFUSED.has(errno)) return uploadRefused({ ...place, detail: reasonOf(errno, sqlMessage) }, options);
  return error;
}

function isOfRows(error: unknown): boolean {
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  return code === "UPLOAD_REFUSED" || (typeof errno === "number" && (IN_THE_WAY.has(errno) || REFUSED.has(errno)));
}

/**
 * New rows go straight into the table. Undefined, and nothing written, where anything was in the way: a file of the client's that meets a row of the
 * same key, or a value that does not fit, has a warning then and no error, which is enough to know that the other way has to be gone.
 */
async function tryStraight(
  connection: Connection,
  chunk: UploadChunk,
  options: WriteOptions,
): Promise<Uploaded | undefined> {
  const { table, after: rows } = chunk;
  if (rows === undefined || chunk.before !== undefined) return undefined;
  const place = { table: table.name, chunk: chunk.name };
  const write: Write = () => load(connection, quoted(table.name), { rows, abilities: options.abilities, place });
  try {
    return await inTransaction(connection, chunk, { ...options, write });
  } catch (error) {
    if (isOfRows(error)) return undefined;
    throw error;
  }
}

/** Writes one chunk in one transaction; its failure has rolled it back. */
export async function writeChunk(connection: Connection, chunk: UploadChunk, options: WriteOptions): Promise<Uploaded> {
  const straight = await tryStraight(connection, chunk, options);
  if (straight !== undefined) return straight;
  // Outside of the transaction: a server with GTIDs may refuse it within.
  if (chunk.after !== undefined) await makeTemporary(connection, AFTER, chunk);
  if (chunk.before !== undefined) await makeTemporary(connection, BEFORE, chunk);
  try {
    return await inTransaction(connection, chunk, { ...options, write: writeCarefully });
  } catch (error) {
    throw asProblem(error, chunk);
  } finally {
    for (const name of [AFTER, BEFORE]) {
      await ask(connection, `drop temporary table if exists ${name}`).catch(() => undefined);
    }
  }
}
