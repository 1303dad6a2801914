import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { checkApi } from "./support/api.ts";
import { checkContinuity, readSideRuns } from "./support/cutover-continuity.ts";
import { allKindsFile, type SchedulingAirflow, startScheduling } from "./support/cutover-environment.ts";
import { type CutoverMigration, type CutoverResult, openMigration } from "./support/cutover-migration.ts";
import { readAttempt, rerun } from "./support/cutover-rerun.ts";
import { type PausedWatch, watchPaused } from "./support/cutover-watch.ts";
import { run, waitFor } from "./support/processes.ts";
import { readEverything } from "./support/proofs.ts";
import type { ReleaseName } from "./support/releases.ts";

const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";

/** DAGs whose next tick comes within two minutes. */
const QUICK = [
  "cut_chain",
  "cut_delta",
  "cut_latest",
  "cut_mapped",
  "cut_minutely",
  "cut_producer",
  "cut_single",
  "cut_two_minutely",
];
const ALL = [...QUICK, "cut_consumer", "cut_daily", "cut_manual"].toSorted();

const all: readonly { readonly from: ReleaseName; readonly to: ReleaseName }[] = [
  { from: "2.10.5", to: "3.3.2" },
  { from: "3.0.6", to: "3.3.2" },
  { from: "2.10.5", to: "2.11.0" },
];

/** `PAIR="3.0.6 3.3"` picks pairs by their beginning, `PAIR=` all of them. Default: the one with the most differences. */
const pairs = all.filter(({ from, to }) => `${from} ${to}`.startsWith(process.env["PAIR"] ?? "2.10.5 3.3.2"));

/** A moment as the DAG file takes it: that many minutes ago. */
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 16);

interface Done {
  readonly dag: string;
  readonly done: number;
  readonly open: number;
}

async function done(airflow: SchedulingAirflow): Promise<readonly Done[]> {
  return await airflow.query<Done>(`select dag_id as dag, count(*) filter (where state = 'success')::int as done,
    count(*) filter (where state <> 'success')::int as open from dag_run group by 1 order by 1`);
}

/** Until every DAG has runs that have ended, and what lay in the past when the source began is done. */
async function hasHistory(source: SchedulingAirflow): Promise<void> {
  const probe = async (): Promise<true | undefined> => {
    await source.assertAlive();
    const have = new Map((await done(source)).map((row) => [row.dag, row]));
    const isThere = ALL.every((dag) => (have.get(dag)?.done ?? 0) >= (dag === "cut_daily" ? 20 : 1));
    return isThere && QUICK.every((dag) => (have.get(dag)?.open ?? 9) <= 1) ? true : undefined;
  };
  const describeIt = async () => `${JSON.stringify(await done(source))}\n${await source.tails()}`;
  await waitFor(probe, { timeoutMs: 400_000, describe: describeIt });
}

describe.each(pairs)("from a working $from to $to", ({ from, to }) => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;
  let paused: PausedWatch;
  let beganMs: number;

  beforeAll(async () => {
    const common = { serverUrl: inject("postgresUrl"), dagFiles: [allKindsFile], start: minutesAgo(5) };
    const name = (side: string) => `cutover_${side}_${from}_${to}`.replaceAll(".", "_");
    const here = { ...common, release: from, name: name("source"), fernetKey: SOURCE_KEY, isPausedAtCreation: false };
    source = resources.use(await startScheduling(here));
    await source.parsed(ALL);
    await run(source.install.airflow, ["dags", "trigger", "cut_manual"], { env: source.env, cwd: source.home });
    const there = { ...common, release: to, name: name("target"), fernetKey: TARGET_KEY, isPausedAtCreation: true };
    target = resources.use(await startScheduling(there));
    await target.parsed(ALL);
    await hasHistory(source);
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan", "--on-conflict", "asset=keep-target");
    await migration.run("apply");
    // The source goes on: there is something that only the delta brings.
    await sleep(65_000);
    paused = resources.use(await watchPaused(source.databaseUrl, target.databaseUrl));
    beganMs = Date.now();
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("switches all DAGs while the source works, none of them unpaused on both sides at once", async () => {
    const { dags } = await migration.run<CutoverResult>("cutover", "--dag", "cut_*", "--yes", "--watch", "4");

    const seconds = Object.entries(paused.pausedMs(beganMs)).map(([dag, ms]) => [dag, ms / 1000] as const);
    const inOrder = seconds.map(([, each]) => each).toSorted((a, b) => a - b);
    console.info(`pause to unpause, seconds: ${JSON.stringify(Object.fromEntries(seconds))}`);
    console.info(`median ${inOrder[Math.floor(inOrder.length / 2)]} s`);
    expect(dags.map(({ dagId }) => dagId)).toEqual(ALL);
    expect(dags.filter(({ state }) => state !== "live" && state !== "settled")).toEqual([]);
    expect(paused.doubled()).toEqual([]);
  });

  test("every tick runs once: no gap, no double, and the target goes on where the source ended", async () => {
    const probe = async (): Promise<true | undefined> => {
      await target.assertAlive();
      const { dags } = await checkContinuity(source, target);
      return QUICK.every((dag) => (dags[dag]?.new ?? 0) >= 1) ? true : undefined;
    };
    await waitFor(probe, {
      timeoutMs: 240_000,
      describe: async () => `${JSON.stringify(await checkContinuity(source, target))}\n${await target.tails()}`,
    });

    const { breaks, dags } = await checkContinuity(source, target);
    console.info(JSON.stringify(dags));
    expect(breaks).toEqual([]);
    const [daily] = await target.query<{ next: string; last: string }>(
      `select next_dagrun_data_interval_start::text as next,
        (select max(data_interval_end)::text from dag_run where dag_id = 'cut_daily') as last
       from dag where dag_id = 'cut_daily'`,
    );
    expect(daily?.next).toBe(daily?.last);
  });

  test("no event of a producer is lost to its consumer", async () => {
    const asset = to.startsWith("3") ? "asset" : "dataset";
    const lost = () =>
      target.query(`select e.id, e.source_run_id, e.timestamp from ${asset}_event e
        where not exists (select from dagrun_${asset}_event d where d.event_id = e.id) and e.timestamp < now() - interval '20 seconds'`);

    // Events of the last moment have not been taken yet.
    await waitFor(async () => ((await lost()).length === 0 ? true : undefined), {
      timeoutMs: 40_000,
      describe: async () => `events that no run of the consumer took: ${JSON.stringify(await lost())}`,
    });
  });

  test("the target reads every imported run", async () => {
    if (target.api === undefined) {
      expect((await readEverything(target)).failures).toEqual([]);
      return;
    }
    const { calls, failures } = await checkApi({ api: target.api, databaseUrl: target.databaseUrl });

    const imported = new Set((await readSideRuns(source)).map(({ id }) => encodeURIComponent(id)));
    const own = (await readSideRuns(target)).map(({ id }) => encodeURIComponent(id)).filter((id) => !imported.has(id));
    expect(failures.filter(({ path }) => !own.some((id) => path.includes(id)))).toEqual([]);
    expect(calls).toBeGreaterThan(300);
  });

  test("an imported task runs again when it is cleared, and a sync leaves it as it is", async () => {
    const imported = (await readSideRuns(source)).filter(({ dag, state }) => dag === "cut_minutely" && state !== "");
    const task = { dag: "cut_minutely", run: imported.at(-3)?.id ?? "", task: "work" };
    const before = await readAttempt(target, task);

    const after = await rerun(target, task);

    expect(after.number).toBe(before.number + 1);
    expect(after.began).not.toBe(before.began);
    const { liveOnTarget } = await migration.run<{ liveOnTarget: readonly string[] }>("sync");
    expect(liveOnTarget).toEqual(ALL);
    expect(await readAttempt(target, task)).toEqual(after);
  });

  test("the schedulers of both sides live, and the source has begun nothing since", async () => {
    await source.assertAlive();
    await target.assertAlive();
    const { breaks } = await checkContinuity(source, target);

    expect(breaks.filter(({ kind }) => kind !== "ran on both")).toEqual([]);
    expect(await source.query("select dag_id from dag where not is_paused")).toEqual([]);
  });

  test("DAGs go back with the work done since, and the source goes on where the target ended", async () => {
    const returning = ["cut_delta", "cut_minutely", "cut_two_minutely"];
    const ofReturning = ({ dag }: { readonly dag: string }) => returning.includes(dag);

    const { dags } = await migration.run<CutoverResult>(
      "reverse",
      ...returning.flatMap((dag) => ["--dag", dag]),
      "--yes",
    );

    expect(dags.map(({ dagId, state }) => [dagId, state])).toEqual(returning.map((dag) => [dag, "reversed"]));
    const brought = new Map((await readSideRuns(source)).filter(ofReturning).map((each) => [each.dag, each]));
    const probe = async (): Promise<true | undefined> => {
      await source.assertAlive();
      const newest = new Map((await readSideRuns(source)).filter(ofReturning).map((each) => [each.dag, each]));
      const isNew = (dag: string) => {
        const last = newest.get(dag);
        return last !== undefined && last.date > (brought.get(dag)?.date ?? "") && last.state === "success";
      };
      return returning.every(isNew) ? true : undefined;
    };
    await waitFor(probe, { timeoutMs: 240_000, describe: () => source.tails() });
    // The other way round: the target is where they come from now.
    const { breaks } = await checkContinuity(target, source);
    expect(breaks.filter(ofReturning)).toEqual([]);
    expect(paused.doubled()).toEqual([]);
  });
});
