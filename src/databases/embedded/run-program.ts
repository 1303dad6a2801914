import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { Account } from "./host.ts";

/** How a program of the embedded Postgres is run. */
export interface Run {
  readonly program: string;
  readonly args: readonly string[];
  readonly account: Account | undefined;
  /** Overwritten; gets all output. Opened by us, so the program's account need not reach it. */
  readonly logFile: string;
}

/** How a program ended: by exit code, by signal, or never started (ENOENT also when its loader is missing). */
export interface Ended {
  readonly code: number | null;
  readonly error?: Error;
}

/** A started program. It lives on when we end. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts the program in a session of its own: neither Ctrl-C nor the end of this process reaches it. */
export async function startProgram(run: Run): Promise<Running> {
  await using log: FileHandle = await open(run.logFile, "w", 0o600);
  const child = spawn(run.program, run.args, {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    // English and nothing else: the caller's environment is of no use to the server, and may hold secrets.
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    ...run.account,
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("error", (error) => resolve({ code: null, error }));
    child.on("exit", (code) => resolve({ code }));
  });
  return { child, ended };
}

/** The last lines of a log, without the empty ones; none when there is no log. */
export async function lastLines(logFile: string, count = 12): Promise<readonly string[]> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count);
}
