// One worker, two workers, and one with the connections of two, on databases that are far away.
//
//     node bench/workers.ts --server postgresql://postgres@localhost:5432/postgres [--runs 100] [--rounds 2] [--megabytes 3] [--delay 20]
//
// Each connection to either database has so many megabytes a second, and each byte is so many milliseconds late.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dropDatabase, emptyDatabase, withDatabase } from "../test/airflow/support/databases.ts";
import { runCli } from "../test/support/run-cli.ts";
import { startCli } from "../test/support/running-cli.ts";
import { tcpProxy } from "../test/support/tcp-proxy.ts";
import { describeMachine } from "./machine.ts";
import { benchFernetKey, benchSource, emptyTarget } from "./source.ts";

const { values: args } = parseArgs({
  options: {
    server: { type: "string", default: "postgresql://postgres@localhost:5432/postgres" },
    runs: { type: "string", default: "100" },
    rounds: { type: "string", default: "2" },
    megabytes: { type: "string", default: "3" },
    delay: { type: "string", default: "20" },
  },
});
const { server } = args;
const TARGET = "crosswind_bench_workers_target";
const STATE = "crosswind_bench_workers_state";
const LIMIT_MS = 3_600_000;

interface Setting {
  readonly name: string;
  readonly lanes: number;
  /** Besides the one that carries the run. */
  readonly helpers: number;
}

const ONE: Setting = { name: "1 worker, 1 connection", lanes: 1, helpers: 0 };
const TWO: Setting = { name: "2 workers, 1 connection each", lanes: 1, helpers: 1 };
const WIDE: Setting = { name: "1 worker, 2 connections", lanes: 2, helpers: 0 };

interface EventLine {
  readonly at: string;
  readonly kind?: string;
  readonly phase?: string;
}

/** Seconds from the first chunk of history to the last one. */
function loadSeconds(stderr: string): number {
  const events = stderr.split("\n").flatMap((text) => (text.startsWith("{") ? [JSON.parse(text) as EventLine] : []));
  const at = (phase: string) => Date.parse(events.find((each) => each.phase === phase)?.at ?? "");
  return (at("indexes") - at("history")) / 1000;
}

interface Figures {
  readonly rows: number;
  readonly seconds: number;
  readonly load: number;
}

async function run(source: string, { lanes, helpers }: Setting): Promise<Figures> {
  await using state = await emptyDatabase(server, STATE);
  const target = await emptyTarget(server, "3.3.2", TARGET);
  const way = { delayMs: Number(args.delay), bytesPerSecond: Number(args.megabytes) * 1_000_000 };
  await using proxy = await tcpProxy(server, way);
  const folder = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  const env = {
    CROSSWIND_SOURCE_DATABASE: proxy.through(source),
    CROSSWIND_SOURCE_FERNET_KEY: await benchFernetKey(),
    CROSSWIND_TARGET_DATABASE: proxy.through(target),
    CROSSWIND_TARGET_FERNET_KEY: await benchFernetKey(),
    CROSSWIND_STATE: state.url,
    CROSSWIND_LANES: String(lanes),
  };
  const options = { cwd: folder, env, timeoutMs: LIMIT_MS };
  try {
    await writeFile(join(folder, "crosswind.yaml"), "");
    const planned = await runCli(["plan", "--output", "p.json"], options);
    if (planned.code !== 0) throw new Error(planned.stdout + planned.stderr);
    const workers = Array.from({ length: helpers }, () => startCli(["worker", "--once", "--json"], options));
    await Promise.all(workers.map((each) => each.until(/"worker":"waiting"/)));
    const { code, stdout, stderr, elapsedMs } = await runCli(["apply", "p.json", "--json"], options);
    if (code !== 0) throw new Error(stdout + stderr.slice(-3000));
    await Promise.all(workers.map((each) => each.ended));
    const { entities } = JSON.parse(stdout) as { entities: readonly { rows: number }[] };
    const rows = entities.reduce((sum, each) => sum + each.rows, 0);
    return { rows, seconds: elapsedMs / 1000, load: loadSeconds(stderr) };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await dropDatabase(server, TARGET);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

const source = withDatabase(
  server,
  await benchSource({ serverUrl: server, runs: Number(args.runs), finishedOnly: false }),
);
console.log(JSON.stringify(await describeMachine(server)));
const settings = [ONE, TWO, WIDE];
const rates = new Map<Setting, number[]>(settings.map((each) => [each, []]));
for (let round = 0; round < Number(args.rounds); round++) {
  for (const setting of settings) {
    const { rows, seconds, load } = await run(source, setting);
    rates.get(setting)?.push(rows / load);
    const rate = Math.round(rows / load).toLocaleString("en-US");
    console.log(
      `${setting.name.padEnd(30)} history ${load.toFixed(1)} s, ${rate} rows/s; all of it ${seconds.toFixed(1)} s`,
    );
  }
}
const rate = (setting: Setting) => median(rates.get(setting) ?? []);
console.log(`two workers against one: ${(rate(TWO) / rate(ONE)).toFixed(2)} x the rows a second`);
console.log(`one with two connections against two workers: ${(rate(WIDE) / rate(TWO)).toFixed(2)} x`);
