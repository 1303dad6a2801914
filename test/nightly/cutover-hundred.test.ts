import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { manyFile, type SchedulingAirflow, startScheduling } from "../airflow/support/cutover-environment.ts";
import { type CutoverMigration, type CutoverResult, openMigration } from "../airflow/support/cutover-migration.ts";
import { type PausedWatch, watchPaused } from "../airflow/support/cutover-watch.ts";
import { waitFor } from "../airflow/support/processes.ts";
import { openScanCount, type Scans } from "./scan-count.ts";

const KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const MANY = 100;
/** Runs of each DAG, with two tasks each, so that no planner reads whole tables for want of rows. */
const OLD_RUNS = 300;
const ALL = Array.from({ length: MANY }, (_, at) => `cut_many_${String(at).padStart(3, "0")}`);
const BIG = ["dag_run", "task_instance"] as const;

/** The history of a DAG that has run for long, as a 2.10.5 keeps it. */
const OLD_HISTORY = [
  `insert into dag_run (dag_id, execution_date, run_id, run_type, state, external_trigger, conf, data_interval_start, data_interval_end, queued_at,
     start_date, end_date, log_template_id, clear_number, last_scheduling_decision, updated_at)
   select d.dag_id, at, 'scheduled__' || to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS+00:00'), 'scheduled', 'success', false, '\\x80047d942e',
     at, at + interval '3 hours', at, at, at, (select max(id) from log_template), 0, at, at
   from dag d, lateral (select d.next_dagrun - make_interval(hours => 3 * (n + 9)) as at from generate_series(1, ${OLD_RUNS}) n) t
   where d.dag_id like 'cut_many%'`,
  `insert into task_instance (dag_id, run_id, task_id, map_index, state, try_number, max_tries, pool, pool_slots, queue, priority_weight, operator,
     start_date, end_date, duration, job_id, updated_at)
   select dag_id, run_id, task, -1, 'success', 1, 0, 'default_pool', 1, 'default', 1, 'EmptyOperator', start_date, end_date, 0, 1, updated_at
   from dag_run, unnest(array['work', 'after']) task
   where dag_id like 'cut_many%' and not exists (select from task_instance i where i.dag_id = dag_run.dag_id and i.run_id = dag_run.run_id)`,
];

interface Layout {
  readonly name: string;
  /** The DAG files, in a folder of the test's own. */
  readonly files: (dir: string) => Promise<readonly string[]>;
  readonly extra: Readonly<Record<string, string>>;
}

const layouts: readonly Layout[] = [
  { name: "100 DAGs in one file", files: async () => [manyFile], extra: { CUTOVER_MANY: String(MANY) } },
  {
    name: "100 DAGs in 100 files",
    files: async (dir) => {
      const files = ALL.map((dag) => join(dir, `${dag}.py`));
      for (const file of files) await copyFile(manyFile, file);
      return files;
    },
    extra: {},
  },
];

describe.each(layouts)("$name, from a working 2.10.5 to 3.3.2", (layout) => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;
  let paused: PausedWatch;
  let floorSeconds: number;

  /** How long the target's own parser takes for all files, from the request on. */
  async function parseAll(): Promise<number> {
    const [began] = await target.query<{ at: string }>("select clock_timestamp()::text as at");
    await target.query(
      `insert into dag_priority_parsing_request (id, bundle_name, relative_fileloc)
       select distinct md5(bundle_name || ':' || relative_fileloc), bundle_name, relative_fileloc from dag on conflict do nothing`,
    );
    const left = () =>
      target.query("select from dag where last_parsed_time <= $1::timestamptz and dag_id like 'cut_many%'", [
        began?.at,
      ]);
    const at = performance.now();
    await waitFor(async () => ((await left()).length === 0 ? true : undefined), {
      timeoutMs: 300_000,
      everyMs: 200,
      describe: async () => `${(await left()).length} DAGs are not parsed\n${await target.tails()}`,
    });
    return (performance.now() - at) / 1000;
  }

  beforeAll(async () => {
    const dir = await mkdtemp(join(tmpdir(), "crosswind-many-"));
    resources.defer(() => rm(dir, { recursive: true, force: true }));
    const dagFiles = await layout.files(dir);
    const common = {
      serverUrl: inject("postgresUrl"),
      dagFiles,
      fernetKey: KEY,
      start: new Date(Date.now() - 8 * 3_600_000).toISOString().slice(0, 16),
    };
    const extra = {
      ...layout.extra,
      // As many parsers as Airflow has by default; the target's have nothing to do but what is asked for.
      AIRFLOW__SCHEDULER__PARSING_PROCESSES: "2",
      AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: "2",
      AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL: "3600",
    };
    const here = { release: "2.10.5", name: "cutover_many_source", isPausedAtCreation: false } as const;
    source = resources.use(await startScheduling({ ...common, ...here, extra }));
    const there = { release: "3.3.2", name: "cutover_many_target", isPausedAtCreation: true } as const;
    target = resources.use(await startScheduling({ ...common, ...there, extra }));
    await source.parsed(ALL, 600_000);
    await target.parsed(ALL, 600_000);
    const open = () =>
      source.query("select from dag where next_dagrun_create_after < now() and dag_id like 'cut_many%'");
    await waitFor(async () => ((await open()).length === 0 ? true : undefined), {
      timeoutMs: 300_000,
      describe: async () => `${(await open()).length} DAGs are behind\n${await source.tails()}`,
    });
    for (const sql of OLD_HISTORY) await source.query(sql);
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan", "--on-conflict", "asset=keep-target");
    await migration.run("apply");
    for (const side of [source, target]) for (const table of BIG) await side.query(`vacuum analyze ${table}`);
    floorSeconds = await parseAll();
    paused = resources.use(await watchPaused(source.databaseUrl, target.databaseUrl));
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("goes over in one wave, and reads no large table whole once for each DAG", async ({ task }) => {
    const counts = [await openScanCount(source, BIG), await openScanCount(target, BIG)];
    const beganMs = Date.now();
    const { stdout, stderr } = await migration.attempt(["cutover", "--dag", "cut_many_*", "--yes", "--watch", "0"]);
    const { dags = [] } = JSON.parse(stdout) as Partial<CutoverResult>;
    const seconds = (Date.now() - beganMs) / 1000;

    const scans: Scans[] = [];
    for (const count of counts) scans.push(await count.since());
    const each = Object.values(paused.pausedMs(beganMs)).toSorted((a, b) => a - b);
    const median = (each[Math.floor(each.length / 2)] ?? 0) / 1000;
    const stretch = lastOf(dags.map(({ liveAt }) => liveAt)) - firstOf(dags.map(({ pausedAt }) => pausedAt));
    console.info(JSON.stringify({ layout: layout.name, seconds, stretch, floorSeconds, median, scans }));
    task.meta.measured = `${(stretch / 1000).toFixed(0)} s, parser ${floorSeconds.toFixed(0)} s, median ${median.toFixed(1)} s`;
    expect(dags.filter(({ state }) => state !== "live").map(({ dagId, reason }) => `${dagId}: ${reason}`)).toEqual([]);
    expect(
      dags.map(({ dagId }) => dagId),
      stderr.slice(-3000),
    ).toEqual(ALL);
    expect(paused.doubled()).toEqual([]);
    // The last ones are no longer paused than the first ones.
    expect(median).toBeLessThan(Math.max(10, stretch / 1000 / 5));
    for (const side of scans)
      for (const table of BIG) expect(side[table].whole, JSON.stringify(scans)).toBeLessThan(10);
  });
});

function moments(texts: readonly (string | undefined)[]): readonly number[] {
  return texts.flatMap((text) => (text === undefined ? [] : [Date.parse(text)]));
}

const firstOf = (texts: readonly (string | undefined)[]): number => Math.min(...moments(texts));
const lastOf = (texts: readonly (string | undefined)[]): number => Math.max(...moments(texts));
