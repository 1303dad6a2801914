import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export type Environment = Readonly<Record<string, string>>;

export interface RunOptions {
  readonly env?: Environment;
  readonly cwd?: string;
  /** Default five minutes. */
  readonly timeoutMs?: number;
}

/** Runs a command to its end and gives its standard output; throws with both outputs when it fails. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const timeout = options.timeoutMs ?? 300_000;
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      env: options.env,
      cwd: options.cwd,
      timeout,
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(
      `${command} ${args.join(" ")} failed (limit ${timeout} ms).\n${stdout.slice(-4000)}\n${stderr.slice(-8000)}`,
      { cause: error },
    );
  }
}

/** A service that runs until it is disposed; its output goes to a file. */
export interface Service extends AsyncDisposable {
  readonly name: string;
  readonly logFile: string;
  /** True as long as the process has not ended. */
  readonly alive: () => boolean;
  /** The last part of its output, for messages. */
  readonly tail: () => Promise<string>;
}

export interface ServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
  readonly logFile: string;
}

/**
 * Starts a service in a session of its own.
 *
 * Disposing it ends everything it started: Airflow's parsers and tasks move to process groups of their own, so the
 * whole tree of descendants is taken down, not one group.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const log = createWriteStream(options.logFile, { flags: "a" });
  await once(log, "open");
  const child = spawn(options.command, options.args, {
    env: options.env,
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", log, log] as unknown as ["ignore", "pipe", "pipe"],
  });
  await once(child, "spawn");
  const tail = async (): Promise<string> => (await readFile(options.logFile, "utf8")).slice(-6000);
  return {
    name: options.name,
    logFile: options.logFile,
    alive: () => isRunning(child),
    tail,
    [Symbol.asyncDispose]: () => stop(child, log),
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function stop(child: ChildProcess, log: WriteStream): Promise<void> {
  const root = child.pid;
  if (root === undefined) {
    return;
  }
  const started = await descendantsOf(root);
  if (isRunning(child)) {
    process.kill(root, "SIGTERM");
    await Promise.race([once(child, "exit"), sleep(8000)]);
  }
  // What appeared while it was shutting down counts too; a process that left the tree is still in the first list.
  const left = new Set([...started, ...(await descendantsOf(root)), root]);
  for (const pid of left) {
    killIfThere(pid);
  }
  if (isRunning(child)) {
    await once(child, "exit");
  }
  log.close();
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}

async function descendantsOf(root: number): Promise<readonly number[]> {
  const listing = await run("ps", ["-A", "-o", "pid=,ppid="]);
  const pairs = listing
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const collect = (parent: number): readonly number[] =>
    pairs.filter(([, ppid]) => ppid === parent).flatMap(([pid = 0]) => [pid, ...collect(pid)]);
  return collect(root);
}

/** Asks until `probe` gives a value; throws with `describe` when the time is over. */
export async function waitFor<T>(
  probe: () => Promise<T | undefined>,
  options: { readonly timeoutMs: number; readonly everyMs?: number; readonly describe: () => Promise<string> | string },
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) {
      return value;
    }
    if (Date.now() > deadline) {
      throw new Error(`Waited ${options.timeoutMs} ms: ${await options.describe()}`);
    }
    await sleep(options.everyMs ?? 500);
  }
}
