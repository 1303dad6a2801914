import { constants } from "node:fs";
import { open, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** What a running Postgres writes about itself into `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/**
 * Reads the text of a `postmaster.pid`: process id in line 1, port in line 4
 * (https://www.postgresql.org/docs/17/storage-file-layout.html). Undefined while it is not written completely.
 */
export function parsePostmaster(text: string): Postmaster | undefined {
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  return Number.isInteger(pid) && pid > 1 && Number.isInteger(port) && port > 0 ? { pid, port } : undefined;
}

/** The Postgres that runs on this data folder, or undefined when none does. */
export async function findPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDir, "postmaster.pid"), "utf8").catch(() => "");
  const postmaster = parsePostmaster(text);
  return postmaster !== undefined && (await runsIn(postmaster.pid, dataDir)) ? postmaster : undefined;
}

/**
 * Makes a killed server's `postmaster.pid` no obstacle where its process id belongs to something else by now.
 *
 * The file is kept: its memory key is how Postgres notices that processes of the killed server still write to the data.
 * Only the id becomes ours, which Postgres takes for stale because we are the parent of the server that starts.
 */
export async function disownStalePid(dataDir: string): Promise<void> {
  const file = join(dataDir, "postmaster.pid");
  const text = await readFile(file, "utf8").catch(() => "");
  const pid = parsePostmaster(text)?.pid;
  if (pid === undefined || !isAlive(pid) || (await runsIn(pid, dataDir))) {
    return;
  }
  await using handle = await open(file, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  await handle.writeFile(text.replace(/^\d+/, String(process.pid)));
}

/** True when the process lives and, where the system tells, works in the folder; Postgres always works in its data folder. */
export async function runsIn(pid: number, dir: string): Promise<boolean> {
  if (!isAlive(pid)) {
    return false;
  }
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === dir;
  } catch (error) {
    // A dead process that nobody has waited for (a zombie) has no folder any more; without /proc we believe the id.
    const noProc = await readlink("/proc/self").then(
      () => false,
      () => true,
    );
    return noProc || codeOf(error) === "EACCES";
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // Also when it is not ours to signal: our server runs as ourselves, or we are root.
    return false;
  }
}

/** The `code` of a system or database error, or undefined. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
