// npm run bench -- [--scale S,M] [--runs N] [--rounds N] [--only crosswind,pg_dump] [--codec] [--after] [--start] [--keep] [--server URL]
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { benchAfter } from "./after.ts";
import { benchCodecs } from "./codec.ts";
import type { Bench, Contender, Outcome } from "./contender.ts";
import { crosswind } from "./crosswind.ts";
import { liveContenders } from "./live.ts";
import { describeMachine } from "./machine.ts";
import { peers } from "./peers.ts";
import { type BenchResult, describeBench, keep, type LaneResult, type Series } from "./report.ts";
import { benchFernetKey, benchSource, sourceFacts } from "./source.ts";
import { benchStart } from "./start.ts";

interface Scale {
  readonly name: string;
  readonly runsPerDag: number;
  readonly rounds: number;
}

const SCALES: readonly Scale[] = [
  { name: "S", runsPerDag: 100, rounds: 5 },
  { name: "M", runsPerDag: 1000, rounds: 3 },
  { name: "L", runsPerDag: 10_000, rounds: 1 },
];

interface Options {
  readonly serverUrl: string;
  readonly scales: readonly Scale[];
  readonly contenders: readonly Contender[];
  readonly isKept: boolean;
  /** Figures that stand alone, by the names they are kept under. */
  readonly lanes: Readonly<Record<string, (serverUrl: string) => Promise<LaneResult>>>;
}

const AFTER_ROUNDS = 3;

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      server: { type: "string", default: "postgresql://postgres@127.0.0.1:5432/postgres" },
      scale: { type: "string", default: "S,M" },
      runs: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string" },
      keep: { type: "boolean", default: false },
      codec: { type: "boolean", default: false },
      after: { type: "boolean", default: false },
      start: { type: "boolean", default: false },
    },
  });
  const named = values.runs === undefined ? values.scale.split(",") : [];
  const own =
    values.runs === undefined ? [] : [{ name: `${values.runs} runs`, runsPerDag: Number(values.runs), rounds: 3 }];
  const scales = [...SCALES.filter(({ name }) => named.includes(name)), ...own].map((scale) => ({
    ...scale,
    rounds: Number(values.rounds ?? scale.rounds),
  }));
  const only = values.only?.split(",");
  return {
    serverUrl: new URL(values.server).pathname.length > 1 ? values.server : `${values.server}/postgres`,
    scales,
    contenders: [crosswind, ...peers, ...liveContenders].filter(({ name }) => only?.includes(name) ?? true),
    isKept: values.keep,
    lanes: {
      ...(values.codec ? { codec: benchCodecs } : {}),
      ...(values.after ? { after: (url: string) => benchAfter(url, Number(values.rounds ?? AFTER_ROUNDS)) } : {}),
      ...(values.start ? { start: benchStart } : {}),
    },
  };
}

async function prepare({ serverUrl, contenders }: Options, { runsPerDag }: Scale): Promise<Bench> {
  const spec = { serverUrl, runs: runsPerDag };
  const source = await benchSource({ ...spec, finishedOnly: false });
  const hasOthers = contenders.some(({ name }) => name !== crosswind.name);
  return {
    serverUrl,
    source,
    finished: hasOthers ? await benchSource({ ...spec, finishedOnly: true }) : source,
    fernetKey: await benchFernetKey(),
    targetFernetKey: randomBytes(32).toString("base64url").concat("="),
  };
}

/** Rounds go around the contenders, so that a busy minute of the machine hits all of them. */
async function runRounds(bench: Bench, contenders: readonly Contender[], rounds: number): Promise<readonly Series[]> {
  const missing = new Map<string, string | undefined>();
  for (const contender of contenders) missing.set(contender.name, await contender.missing());
  const outcomes = new Map<string, Outcome[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      if (missing.get(contender.name) !== undefined || (contender.isSlow === true && round > 0)) continue;
      const outcome = await contender.run(bench);
      outcomes.get(contender.name)?.push(outcome);
      console.error(`round ${round + 1} ${contender.name.padEnd(20)} ${outcome.seconds.toFixed(1)} s`);
    }
  }
  return contenders.map(({ name, what, against }) => {
    const notRun = missing.get(name);
    return {
      name,
      what,
      ...(against === undefined ? {} : { against }),
      outcomes: outcomes.get(name) ?? [],
      ...(notRun === undefined ? {} : { notRun }),
    };
  });
}

async function benchScale(options: Options, scale: Scale): Promise<BenchResult> {
  const bench = await prepare(options, scale);
  const series = await runRounds(bench, options.contenders, scale.rounds);
  return {
    scale: scale.name,
    runsPerDag: scale.runsPerDag,
    machine: await describeMachine(options.serverUrl),
    source: await sourceFacts(options.serverUrl, bench.source),
    carried: await sourceFacts(options.serverUrl, bench.finished),
    series,
  };
}

/** Two benches at once would measure each other, and share their databases. */
async function aloneOnServer(serverUrl: string): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  const lock = "hashtext('airflow-crosswind bench')";
  const { rows } = await client.query<{ isFree: boolean }>(`select pg_try_advisory_lock(${lock}) as "isFree"`);
  if (!rows[0]?.isFree) {
    console.error("another bench uses this server: waiting for its end");
    await client.query(`select pg_advisory_lock(${lock})`);
  }
  return { [Symbol.asyncDispose]: () => client.end() };
}

async function main(): Promise<void> {
  const options = readOptions();
  await using _alone = await aloneOnServer(options.serverUrl);
  for (const scale of options.scales) {
    const result = await benchScale(options, scale);
    console.log(describeBench(result));
    if (options.isKept) await keep(scale.name, result);
  }
  for (const [name, measure] of Object.entries(options.lanes)) {
    const result = await measure(options.serverUrl);
    console.log([`## ${result.title}`, "", ...result.lines, ""].join("\n"));
    if (options.isKept) await keep(name, result);
  }
}

await main();
