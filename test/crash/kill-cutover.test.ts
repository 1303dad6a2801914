import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { checkContinuity } from "../airflow/support/cutover-continuity.ts";
import { plainKindsFile, type SchedulingAirflow, startScheduling } from "../airflow/support/cutover-environment.ts";
import { finished, killed } from "../airflow/support/cutover-kills.ts";
import { type CutoverMigration, openMigration } from "../airflow/support/cutover-migration.ts";
import { type PausedWatch, watchPaused } from "../airflow/support/cutover-watch.ts";
import { waitFor } from "../airflow/support/processes.ts";

const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";

/**
 * Where a switch is killed: so long after its first line of that state. The gap between its rows and the unpause has no line of its own. Many more, there
 * and back: `npm run matrix -- --cutover --only kills`.
 */
const kills = [
  { dag: "cut_minutely", state: "draining", afterMs: 0 },
  { dag: "cut_delta", state: "paused", afterMs: 0 },
  { dag: "cut_chain", state: "proving", afterMs: 400 },
  { dag: "cut_latest", state: "live", afterMs: 0 },
] as const;
const LEFT = [
  "cut_consumer",
  "cut_daily",
  "cut_manual",
  "cut_mapped",
  "cut_producer",
  "cut_single",
  "cut_two_minutely",
];
const ALL = [...kills.map(({ dag }) => dag), ...LEFT].toSorted();
const TICKING = [...kills.map(({ dag }) => dag), "cut_mapped", "cut_producer", "cut_single", "cut_two_minutely"];

const isLive = (state: string): boolean => state === "live" || state === "settled";

describe("a cutover between a genuine 2.10.5 and a genuine 3.3.2 that both work", () => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;
  let paused: PausedWatch;

  const switching = (dags: readonly string[]) => [
    "cutover",
    ...dags.flatMap((dag) => ["--dag", dag]),
    "--yes",
    "--watch",
    "0",
  ];

  beforeAll(async () => {
    const start = new Date(Date.now() - 4 * 60_000).toISOString().slice(0, 16);
    const common = { serverUrl: inject("postgresUrl"), dagFiles: [plainKindsFile], start };
    const here = { name: "kill_cutover_source", fernetKey: SOURCE_KEY, isPausedAtCreation: false };
    source = resources.use(await startScheduling({ ...common, ...here, release: "2.10.5" }));
    const there = { name: "kill_cutover_target", fernetKey: TARGET_KEY, isPausedAtCreation: true };
    target = resources.use(await startScheduling({ ...common, ...there, release: "3.3.2" }));
    await source.parsed(ALL);
    await target.parsed(ALL);
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan", "--on-conflict", "asset=keep-target");
    await migration.run("apply");
    paused = resources.use(await watchPaused(source.databaseUrl, target.databaseUrl));
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test.for(kills)("killed $afterMs ms after $state, is finished by the next one: $dag", async (each) => {
    const { dag, state, afterMs } = each;
    const { signal, stdout, stderr } = await killed(migration, switching([dag]), { state, afterMs });
    // Late in the machine's day it may have ended before the signal.
    expect(signal ?? "ended", `${stdout}\n${stderr}`).toMatch(afterMs === 0 ? /SIGKILL/ : /SIGKILL|ended/);

    const { dags } = await finished(migration, switching([dag]));

    expect(dags.map((one) => ({ dag: one.dagId, isLive: isLive(one.state) }))).toEqual([{ dag, isLive: true }]);
    const [row] = await target.query<{ is_paused: boolean }>("select is_paused from dag where dag_id = $1", [dag]);
    expect(row?.is_paused).toBe(false);
    expect(paused.doubled()).toEqual([]);
  });

  test("a wave that is killed again and again ends with every DAG live", async () => {
    for (const state of ["paused", "proving", "live"]) await killed(migration, switching(LEFT), { state, afterMs: 0 });

    const { dags } = await finished(migration, switching(LEFT));

    expect(dags.filter((one) => !isLive(one.state))).toEqual([]);
    expect(paused.doubled()).toEqual([]);
  });

  test("no tick is lost or doubled by all of that", async () => {
    const probe = async (): Promise<true | undefined> => {
      await target.assertAlive();
      await source.assertAlive();
      const { dags } = await checkContinuity(source, target);
      return TICKING.every((dag) => (dags[dag]?.new ?? 0) >= 1) ? true : undefined;
    };
    await waitFor(probe, {
      timeoutMs: 240_000,
      describe: async () => JSON.stringify(await checkContinuity(source, target)),
    });

    expect((await checkContinuity(source, target)).breaks).toEqual([]);
    expect(paused.doubled()).toEqual([]);
    expect(paused.looks()).toBeGreaterThan(100);
  });
});
