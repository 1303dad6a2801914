// One apply in a process of its own, so that its memory is its own: node bench/apply.ts '{"source": URL, ...}'. Prints one JSON line.
import { randomUUID } from "node:crypto";
import { detectRelease } from "../src/airflow/detect-release.ts";
import { parseFernetKeys } from "../src/airflow/codecs/index.ts";
import { entities } from "../src/airflow/entities/index.ts";
import { openPostgres } from "../src/databases/postgres/postgres.ts";
import type { RunEvent } from "../src/domain/run-event.ts";
import { Secret } from "../src/domain/secret.ts";
import { EVERYTHING } from "../src/domain/selection.ts";
import { defineApply } from "../src/engine/copy/apply.ts";
import type { CopyJob } from "../src/engine/copy/copy-context.ts";
import { readSchema } from "../src/engine/probe/read-schema.ts";
import type { Database } from "../src/ports/database.ts";
import { runDurably } from "../src/runs/dbos-runs.ts";

/** What the parent process gives on the command line. */
export interface ApplyArguments {
  readonly source: string;
  readonly target: string;
  readonly state: string;
  readonly sourceKey: string;
  readonly targetKey: string;
  /** Default 2. */
  readonly lanes?: number;
  /** Default: every entity. */
  readonly only?: readonly string[];
}

/** What the process prints. Times in seconds from its first connection to the end of the run. */
export interface ApplyFigures {
  readonly seconds: number;
  readonly rows: number;
  /** Bytes that were written as COPY data. */
  readonly bytes: number;
  readonly entities: readonly { readonly entity: string; readonly rows: number; readonly bytes: number }[];
  /** When each phase began. */
  readonly phases: Readonly<Record<string, number>>;
  readonly maxResidentMb: number;
  readonly cpuSeconds: number;
}

interface Timed {
  readonly at: number;
  readonly event: RunEvent;
}

async function sideOf(database: Database, side: "source" | "target") {
  await using session = await database.session();
  const schema = await readSchema(session);
  return { schema, release: detectRelease({ schema, entities, side, where: database.label }).release };
}

async function countExpected(source: Database): Promise<Readonly<Record<string, number>>> {
  const rows = await source.query<{ relname: string; rows: number }>(
    "select relname, reltuples::float8 as rows from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  return Object.fromEntries(rows.map((row) => [row.relname, row.rows]));
}

async function apply(args: ApplyArguments): Promise<ApplyFigures> {
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const events: Timed[] = [];
  await using source = openPostgres({ url: new Secret(args.source), name: "source", readOnly: true });
  await using target = openPostgres({ url: new Secret(args.target), name: "target" });
  const [sourceSide, targetSide] = [await sideOf(source, "source"), await sideOf(target, "target")];
  const keys = (key: string) => parseFernetKeys(new Secret(key));
  const job: CopyJob = {
    run: randomUUID(),
    planFile: "bench",
    source,
    target,
    sourceSide,
    targetSide,
    identity: "bench",
    entities: entities.filter(({ id }) => args.only?.includes(id) ?? true),
    selection: EVERYTHING,
    codecs: { sourceKeys: keys(args.sourceKey), targetKeys: keys(args.targetKey) },
    lanes: args.lanes ?? 2,
    now: new Date(),
    onEvent: (event) => events.push({ at: seconds(), event }),
  };
  await using definition = defineApply(job, await countExpected(source));
  const ended = await runDurably({
    run: job.run,
    definition,
    stateUrl: new Secret(args.state),
    stateLabel: "bench",
    lanes: job.lanes,
    version: "bench",
    signal: new AbortController().signal,
  });
  if (ended.state !== "done") throw new Error("the run stopped before its end");
  return { seconds: seconds(), ...figures(ended.result.entities, events) };
}

function figures(copied: ApplyFigures["entities"], events: readonly Timed[]): Omit<ApplyFigures, "seconds"> {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const phases = events.flatMap(({ at, event }) => (event.kind === "phase" ? [[event.phase, at] as const] : []));
  if (process.env["BENCH_EVENTS"] !== undefined) {
    for (const { at, event } of events) {
      if (event.kind !== "bytes") console.error(at.toFixed(2), JSON.stringify(event));
    }
  }
  return {
    rows: copied.reduce((sum, each) => sum + each.rows, 0),
    bytes: copied.reduce((sum, each) => sum + each.bytes, 0),
    entities: copied,
    phases: Object.fromEntries(phases),
    maxResidentMb: maxRSS / 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  };
}

if (import.meta.main) {
  const args = JSON.parse(process.argv[2] ?? "{}") as ApplyArguments;
  console.log(JSON.stringify(await apply(args)));
}
