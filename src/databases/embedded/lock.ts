import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const RETRY_MS = 25;
/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * Runs `work` while no other process on this machine runs work under the same file.
 *
 * The lock is SQLite's, so the kernel takes it back when its holder dies, however it dies: no stale locks, and none of
 * the races of lock files that are told by a process id. Waits as long as it takes; rejects when `signal` aborts.
 */
export async function withLock<T>(file: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const database = new DatabaseSync(file);
  try {
    while (!tryLock(database)) {
      await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
    return await work();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      return false;
    }
    throw error;
  }
}
