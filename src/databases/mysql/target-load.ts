import type { Connection, ResultSetHeader } from "mysql2";
import type { UploadRows } from "../../ports/raw-target.ts";
import { csvRows } from "../csv-rows.ts";
import { uploadRefused } from "../problems.ts";
import { ask, quoted, textOf } from "./ask.ts";

/** Bytes of one INSERT: within any server's max_allowed_packet. */
const INSERT_BYTES = 128 * 1024;

/** ER_DUP_ENTRY. Source: MySQL manual, "Server Error Message Reference". */
export const DUPLICATE = 1062;

/** What of a server is to be known before rows are sent. */
export interface Abilities {
  /** It takes rows by LOAD DATA LOCAL. */
  readonly takesFiles: boolean;
}

/** What problems call a chunk. */
export interface Place {
  readonly table: string;
  readonly chunk: string;
}

/** A statement that writes. */
export async function change(
  connection: Connection,
  sql: string,
  options: { readonly values?: unknown; readonly infile?: () => NodeJS.ReadableStream } = {},
): Promise<ResultSetHeader> {
  return await new Promise((resolve, reject) => {
    const { values, infile } = options;
    const query = {
      sql,
      ...(values === undefined ? {} : { values }),
      ...(infile === undefined ? {} : { infileStreamFactory: infile }),
    };
    connection.query(query as never, (error: unknown, result: unknown) => {
      if (error instanceof Error) reject(error);
      else resolve(result as ResultSetHeader);
    });
  });
}

/** What a warning says, without the value that it quotes. */
export function reasonOf(code: number, message: string): string {
  if (code === DUPLICATE)
    return "two of its rows are the same to the target, which does not tell capital letters apart";
  const column = /column [`'"]?(?:[^`'"]*[`'"]\.[`'"])*([^`'"]+)[`'"]?/i.exec(message)?.[1];
  const about = message.replaceAll(/: ?'.*?' for/g, " for").replaceAll(/'[^']*'/g, "…");
  return column === undefined ? about : `${about.split(" for ")[0]} (column ${column})`;
}

/** A file from the client is loaded with what is wrong in it put right: only the warnings tell. */
async function assertNoWarnings(connection: Connection, count: number, place: Place): Promise<void> {
  if (count === 0) return;
  const [first] = await ask(connection, "show warnings limit 1");
  const detail = reasonOf(Number(first?.["Code"] ?? 0), textOf(first?.["Message"]));
  throw uploadRefused({ ...place, detail });
}

async function loadFile(connection: Connection, into: string, rows: UploadRows): Promise<ResultSetHeader> {
  await using stream = await rows.open();
  const names = rows.columns.map(({ name, isHex }, at) => (isHex ? `@v${at}` : quoted(name)));
  const sets = rows.columns.flatMap(({ name, isHex }, at) => (isHex ? [`${quoted(name)} = unhex(@v${at})`] : []));
  const sql = `load data local infile 'crosswind' into table ${into} character set utf8mb4
    fields terminated by ',' optionally enclosed by '"' escaped by '' lines terminated by '\\n'
    (${names.join(", ")})${sets.length === 0 ? "" : ` set ${sets.join(", ")}`}`;
  // An error of the stream ends the file, as if it had been whole: the driver tells it after that.
  return await change(connection, sql, { infile: () => stream });
}

async function insertRows(connection: Connection, into: string, rows: UploadRows): Promise<number> {
  await using stream = await rows.open();
  const names = rows.columns.map(({ name }) => quoted(name)).join(", ");
  let waiting: unknown[] = [];
  let [bytes, count] = [0, 0];
  const flush = async () => {
    count += waiting.length;
    if (waiting.length > 0) await change(connection, `insert into ${into} (${names}) values ?`, { values: [waiting] });
    [waiting, bytes] = [[], 0];
  };
  for await (const row of csvRows(stream)) {
    waiting.push(
      row.map((value, at) => {
        bytes += value?.length ?? 0;
        if (value === null) return null;
        return rows.columns[at]?.isHex === true ? Buffer.from(value.toString("latin1"), "hex") : value.toString("utf8");
      }),
    );
    if (bytes >= INSERT_BYTES) await flush();
  }
  await flush();
  return count;
}

/** Puts rows into a table, in the connection's transaction; gives their number. Throws UPLOAD_REFUSED for what the server would mend in silence. */
export async function load(
  connection: Connection,
  into: string,
  { rows, abilities, place }: { readonly rows: UploadRows; readonly abilities: Abilities; readonly place: Place },
): Promise<number> {
  if (abilities.takesFiles) {
    const { warningStatus, affectedRows } = await loadFile(connection, into, rows);
    await assertNoWarnings(connection, warningStatus, place);
    return affectedRows;
  }
  return await insertRows(connection, into, rows);
}
