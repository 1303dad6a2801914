import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Client, type ClientBase } from "pg";
import { from as copyFrom } from "pg-copy-streams";

/** One step of a plain-text dump: statements to run, or rows to copy into a table. */
export type Step =
  | { readonly kind: "statements"; readonly sql: string }
  | { readonly kind: "copy"; readonly sql: string; readonly rows: string };

const END_OF_ROWS = "\n\\.\n";

/** Settings that pg_dump leaves behind in the session, and that would change what later statements mean. */
const RESTORE_SESSION = "reset all";

/**
 * Loads a recorded database into an empty one, over the driver alone (no psql, no pg_restore).
 *
 * @param database a connected client, or the `postgresql://` URL of the database
 * @param path a gzipped plain-text dump as `tools/record-fixture.ts` writes it
 *
 * All or nothing: one transaction. The errors are the driver's own.
 */
export async function loadFixture(database: ClientBase | string, path: string): Promise<void> {
  const dump = (await promisify(gunzip)(await readFile(path))).toString("utf8");
  if (typeof database !== "string") {
    await load(database, dump);
    return;
  }
  const client = new Client({ connectionString: database });
  await client.connect();
  try {
    await load(client, dump);
  } finally {
    await client.end();
  }
}

async function load(client: ClientBase, dump: string): Promise<void> {
  await client.query("begin");
  try {
    for (const step of stepsOf(dump)) {
      await runStep(client, step);
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    await client.query(RESTORE_SESSION);
  }
}

async function runStep(client: ClientBase, step: Step): Promise<void> {
  if (step.kind === "statements") {
    await client.query(step.sql);
  } else {
    await pipeline(Readable.from([step.rows]), client.query(copyFrom(step.sql)));
  }
}

/**
 * The steps of a plain-text dump in their order.
 *
 * Rests on pg_dump's own layout: a COPY statement fills one line, its rows end with a line `\.`, and a line of rows
 * never is a statement of its own.
 */
export function* stepsOf(dump: string): Generator<Step> {
  let at = 0;
  for (;;) {
    const copy = /^(COPY .+ FROM stdin);\n/m.exec(dump.slice(at));
    if (copy === null) {
      break;
    }
    const rowsAt = at + copy.index + copy[0].length;
    // Back by one: a table without rows has its end right behind its statement.
    const end = dump.indexOf(END_OF_ROWS, rowsAt - 1);
    if (end === -1) {
      break;
    }
    yield* statements(dump.slice(at, at + copy.index));
    yield { kind: "copy", sql: copy[1] ?? "", rows: dump.slice(rowsAt, end + 1) };
    at = end + END_OF_ROWS.length;
  }
  yield* statements(dump.slice(at));
}

function* statements(sql: string): Generator<Step> {
  if (sql.trim() !== "") {
    yield { kind: "statements", sql };
  }
}
