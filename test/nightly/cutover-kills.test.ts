import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { checkContinuity } from "../airflow/support/cutover-continuity.ts";
import { type SchedulingAirflow, startScheduling, tenFile } from "../airflow/support/cutover-environment.ts";
import { finished, type Kill, killed, unpausedOn } from "../airflow/support/cutover-kills.ts";
import { type CutoverMigration, openMigration } from "../airflow/support/cutover-migration.ts";
import { type PausedWatch, watchPaused } from "../airflow/support/cutover-watch.ts";
import { waitFor } from "../airflow/support/processes.ts";
import { randomNumbers, seedOfRun } from "../crash/migration.ts";

const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const TEN = Array.from({ length: 10 }, (_, at) => `cut_ten_${at}`);
/** Those whose ticks come meanwhile. */
const TICKING = TEN.slice(0, 3);
const NAMED = TEN.flatMap((dag) => ["--dag", dag]);

const FORWARD = { args: ["cutover", ...NAMED, "--yes", "--watch", "0"], end: "live" } as const;
const BACK = { args: ["reverse", ...NAMED, "--yes"], end: "reversed" } as const;
const DIRECTIONS = { forward: FORWARD, back: BACK } as const;
type Direction = keyof typeof DIRECTIONS;

/** How many times each direction is set out on. */
const WAVES = 16;

const random = randomNumbers(seedOfRun());
const between = (low: number, high: number): number => Math.round(low + random() * (high - low));

/** At the first, a middle and the last DAG's line of each state; then anywhere. Three in a wave, which nobody finishes in between. */
function killsOf(wave: number, end: string): readonly Kill[] {
  const states = ["draining", "paused", "proving", end];
  const state = states[wave % states.length] ?? end;
  const atState = { state, nth: [1, 5, 9][Math.floor(wave / states.length)] ?? 1, afterMs: 0 };
  return [atState, { afterMs: between(0, 1500) }, { afterMs: between(0, 3000) }];
}

const waves = Array.from({ length: WAVES * 2 }, (_, at) => {
  const direction: Direction = at % 2 === 0 ? "forward" : "back";
  const wave = Math.floor(at / 2);
  // Every third one is given up first.
  return {
    name: `${direction} ${wave + 1}`,
    direction,
    kills: killsOf(wave, DIRECTIONS[direction].end),
    cancels: wave % 3 === 2,
  };
});

describe("a wave of ten DAGs between a working 2.10.5 and 3.3.2, killed again and again, there and back", () => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;
  let paused: PausedWatch;
  let all = 0;

  beforeAll(async () => {
    const start = new Date(Date.now() - 9 * 60_000).toISOString().slice(0, 16);
    const common = { serverUrl: inject("postgresUrl"), dagFiles: [tenFile], start };
    const here = { name: "kill_ten_source", fernetKey: SOURCE_KEY, isPausedAtCreation: false };
    source = resources.use(await startScheduling({ ...common, ...here, release: "2.10.5" }));
    const there = { name: "kill_ten_target", fernetKey: TARGET_KEY, isPausedAtCreation: true };
    target = resources.use(await startScheduling({ ...common, ...there, release: "3.3.2" }));
    await source.parsed(TEN);
    await target.parsed(TEN);
    const ended = () =>
      source.query("select distinct dag_id from dag_run where state = 'success' and dag_id = any($1)", [TICKING]);
    await waitFor(async () => ((await ended()).length === TICKING.length ? true : undefined), {
      timeoutMs: 240_000,
      describe: () => source.tails(),
    });
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan");
    await migration.run("apply");
    paused = resources.use(await watchPaused(source.databaseUrl, target.databaseUrl));
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test.for(waves.map((wave) => [wave.name, wave] as const))(
    "%s",
    async ([, { direction, kills, cancels }], { task }) => {
      const { args, end } = DIRECTIONS[direction];
      const [left, gone] = direction === "forward" ? [source, target] : [target, source];
      let hits = 0;
      for (const kill of kills) {
        const { signal, stdout, stderr } = await killed(migration, args, kill);
        if (signal === "SIGKILL") hits += 1;
        expect(paused.doubled(), `${JSON.stringify(kill)}\n${stdout}\n${stderr}`).toEqual([]);
      }
      all += hits;
      task.meta.measured = `${hits} killed`;
      expect(hits).toBeGreaterThan(0);

      if (cancels) {
        const restored = await migration.attempt(["cancel"]);
        expect(restored.code, restored.stdout + restored.stderr).toBe(0);
        // Each of them runs on one side: where it was, or where it had arrived.
        const [stayed, went] = [await unpausedOn(left, TEN), await unpausedOn(gone, TEN)];
        expect([...stayed, ...went].toSorted()).toEqual(TEN);
      }
      const { dags } = await finished(migration, args);

      expect(dags.map(({ dagId, state }) => [dagId, state === "settled" ? "live" : state])).toEqual(
        TEN.map((dag) => [dag, end]),
      );
      expect(await unpausedOn(left, TEN)).toEqual([]);
      expect(await unpausedOn(gone, TEN)).toEqual(TEN);
      expect(paused.doubled()).toEqual([]);
    },
  );

  test("no tick is lost or doubled by all of that, every row is there once, and both schedulers live", async ({
    task,
  }) => {
    // All are back on the source: the target is where they come from.
    const fresh = async () =>
      Object.values((await checkContinuity(target, source)).dags).reduce((sum, { new: more }) => sum + more, 0);
    await waitFor(async () => ((await fresh()) > 0 ? true : undefined), {
      timeoutMs: 300_000,
      describe: async () => JSON.stringify(await checkContinuity(target, source)),
    });
    await source.assertAlive();
    await target.assertAlive();

    const { breaks, dags } = await checkContinuity(target, source);
    task.meta.measured = `${all} killed, ${paused.looks()} looks`;
    expect(all).toBeGreaterThanOrEqual(60);
    console.info(JSON.stringify(dags));
    expect(breaks).toEqual([]);
    for (const side of [source, target])
      expect(
        await side.query(
          "select dag_id, run_id, task_id, count(*) from task_instance group by 1, 2, 3 having count(*) > 1",
        ),
      ).toEqual([]);
    const tasksOf = async (side: SchedulingAirflow) =>
      (
        await side.query<{ at: string }>(
          `select i.dag_id || ' ' || i.task_id || ' ' || extract(epoch from i.start_date)::text as at from task_instance i
         where i.task_id = 'work' and i.start_date is not null order by 1`,
        )
      ).map(({ at }) => at);
    const onSource = new Set(await tasksOf(source));
    expect((await tasksOf(target)).filter((at) => !onSource.has(at))).toEqual([]);
  });
});
