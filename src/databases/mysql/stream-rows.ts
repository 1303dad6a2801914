import type { Connection } from "mysql2";
import type { RawRow } from "../../ports/raw-source.ts";
import { RowBatch } from "../row-batch.ts";

/** Batches that may wait: beyond that the connection is not read, and the server waits. */
const MOST_WAITING = 2;

/** The parts of mysql2's connection that its types leave out. */
interface Pausable {
  pause(): void;
  resume(): void;
}

/**
 * The rows of a SELECT as they come, values as the bytes that the server sent. Never more than a few batches are held.
 *
 * Left before its end, the connection can only be destroyed.
 */
export async function* streamRows(connection: Connection, sql: string): AsyncGenerator<readonly RawRow[]> {
  const pausable = connection as unknown as Pausable;
  const waiting: (readonly RawRow[])[] = [];
  const batch = new RowBatch();
  let isEnded = false;
  let failure: unknown;
  let wake = Promise.withResolvers<void>();
  const fail = (error: unknown) => {
    failure ??= error;
    wake.resolve();
  };
  // A lost connection is told to the connection, not to the query.
  connection.on("error", fail);
  const query = connection.query({ sql, rowsAsArray: true, typeCast: false });
  query.on("result", (row) => {
    // With arrays and no casts a row is an array of buffers; the types do not know.
    if (!batch.add(row as unknown as RawRow)) return;
    waiting.push(batch.take());
    if (waiting.length >= MOST_WAITING) pausable.pause();
    wake.resolve();
  });
  query.on("error", fail);
  query.on("end", () => {
    isEnded = true;
    wake.resolve();
  });
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (failure !== undefined) throw failure;
      if (isEnded) break;
      wake = Promise.withResolvers<void>();
      pausable.resume();
      await wake.promise;
    }
    yield batch.take();
  } finally {
    connection.off("error", fail);
  }
}
