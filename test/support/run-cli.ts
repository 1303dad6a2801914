import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const NODE = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
const HANGS_AFTER_MS = 120_000;

export interface CliOptions {
  readonly cwd: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds from the start to SIGKILL; never when left out. */
  readonly killAfterMs?: number;
  /** Milliseconds after which a command that has not ended fails the test as hanging; two minutes when left out. */
  readonly timeoutMs?: number;
  /** Sees every whole line of stderr, and may send the process a signal. */
  readonly onStderrLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void;
}

export interface CliResult {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

/** Runs the command line itself, without a launcher in between, so that a signal hits the process that works. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const startedAt = performance.now();
  const child = spawn(NODE, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  const onText = lineSplitter((line) => options.onStderrLine?.(line, kill));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
    onText(text);
  });
  const timeoutMs = options.timeoutMs ?? HANGS_AFTER_MS;
  let isHanging = false;
  const timers = [
    setTimeout(() => {
      isHanging = true;
      kill("SIGKILL");
    }, timeoutMs),
    ...(options.killAfterMs === undefined ? [] : [setTimeout(() => kill("SIGKILL"), options.killAfterMs)]),
  ];
  // "close", not "exit": the output is whole then. What the command leaves running must not hold its pipes.
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  timers.forEach(clearTimeout);
  if (isHanging) {
    throw new Error(
      `crosswind ${args.join(" ")} had not ended after ${timeoutMs} ms\n${output.stdout}\n${output.stderr}`,
    );
  }
  return { code, signal, ...output, elapsedMs: performance.now() - startedAt };
}

function lineSplitter(onLine: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  };
}
