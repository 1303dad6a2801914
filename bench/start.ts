import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dropDatabase, emptyDatabase } from "../test/airflow/support/databases.ts";
import { runProgram } from "./contender.ts";
import { describeMachine } from "./machine.ts";
import { type LaneResult, median } from "./report.ts";
import { benchFernetKey, emptyTarget } from "./source.ts";

const ROOT = dirname(import.meta.dirname);
const ROUNDS = 15;
const TARGET = "crosswind_bench_target";

type Environment = Readonly<Record<string, string>>;

/** Milliseconds until the program has ended, with all that it prints thrown away. */
async function millisecondsOf(command: readonly string[], cwd: string, env: Environment): Promise<number> {
  const [program = "", ...args] = command;
  const start = performance.now();
  const child = spawn(program, args, { cwd, stdio: "ignore", env: { ...process.env, ...env } });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
  return performance.now() - start;
}

/** Start-up of the built command line, as an installed package has it. The first start of each, which compiles, is not counted. */
export async function benchStart(serverUrl: string): Promise<LaneResult> {
  await runProgram(process.execPath, [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    "-p",
    join(ROOT, "tsconfig.json"),
  ]);
  const target = await emptyTarget(serverUrl, "3.3.2", TARGET);
  await using source = await emptyDatabase(serverUrl, "crosswind_bench_state");
  const key = await benchFernetKey();
  const env: Environment = {
    CROSSWIND_SOURCE_DATABASE: source.url,
    CROSSWIND_SOURCE_FERNET_KEY: key,
    CROSSWIND_TARGET_DATABASE: target,
    CROSSWIND_TARGET_FERNET_KEY: key,
  };
  const main = join(ROOT, "dist", "cli", "main.js");
  const commands: Readonly<Record<string, readonly string[]>> = {
    "`node -e 0`: Node alone": [process.execPath, "-e", "0"],
    "`--help`": [process.execPath, main, "--help"],
    "`status`": [process.execPath, main, "status"],
    "`npx crosswind --help`, which here runs the sources": ["npx", "crosswind", "--help"],
    "`npx node -e 0`: npx alone": ["npx", "node", "-e", "0"],
  };
  const folder = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  try {
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, command] of Object.entries(commands)) {
        const took = await millisecondsOf(command, command[0] === "npx" ? ROOT : folder, env);
        if (round >= 0) times.get(name)?.push(took);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    await dropDatabase(serverUrl, TARGET);
  }
  return {
    title: `Start of the built command line, ${ROUNDS} rounds`,
    machine: await describeMachine(serverUrl),
    lines: [
      "| | milliseconds, min / median |",
      "| --- | --- |",
      ...[...times].map(([name, all]) => `| ${name} | ${Math.min(...all).toFixed(0)} / ${median(all).toFixed(0)} |`),
    ],
  };
}
