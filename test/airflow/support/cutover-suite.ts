import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { isInRange } from "../../../src/domain/release.ts";
import { checkApi } from "./api.ts";
import { checkContinuity, readSideRuns } from "./cutover-continuity.ts";
import { isQuick, type Kind, kindsOf, type Way } from "./cutover-kinds.ts";
import type { CutoverResult } from "./cutover-migration.ts";
import { openPair, type Pair, type WorkingPair } from "./cutover-pair.ts";
import { readAttempt, rerun } from "./cutover-rerun.ts";
import { waitFor } from "./processes.ts";
import { readEverything } from "./proofs.ts";

declare module "vitest" {
  interface TaskMeta {
    /** What a test measured, in a word, for the table of the nightly part. */
    measured?: string;
  }
}

const named = (dags: readonly string[]): readonly string[] => dags.flatMap((dag) => ["--dag", dag]);

/** 1.10 can not be a target, and so there is no way back to it. */
const wayBackOf = ({ from }: Pair): boolean => isInRange(from, ">=2.2");

const overridesOf = (pair: Pair): readonly string[] =>
  wayBackOf(pair) ? [] : ["--override", "way-back=1.10 is never gone back to"];

function median(numbers: readonly number[]): number {
  const inOrder = numbers.toSorted((a, b) => a - b);
  return inOrder[Math.floor(inOrder.length / 2)] ?? Number.NaN;
}

/** The proof of a cutover between two genuine Airflows that work, as tests. */
export function proveCutover(pair: Pair): void {
  const { from, to, files } = pair;
  describe(`from a working ${from} to ${to}`, () => {
    const kinds = kindsOf([from, to], files);
    const dagsOf = (...ways: readonly Way[]) => kinds.filter(({ way }) => ways.includes(way)).map(({ dag }) => dag);
    const quick = kinds.filter(isQuick).map(({ dag }) => dag);
    const all = kinds.filter(({ way }) => way !== "reference").map(({ dag }) => dag);
    const resources = new AsyncDisposableStack();
    let sides: WorkingPair;

    const cutover = (dags: readonly string[], ...options: readonly string[]) =>
      sides.migration.run<CutoverResult>("cutover", ...named(dags), "--yes", ...overridesOf(pair), ...options);

    beforeAll(async () => {
      sides = resources.use(await openPair(inject("postgresUrl"), pair));
    });

    afterAll(async () => {
      await resources.disposeAsync();
    });

    test("switches DAGs while the source works, none of them unpaused on both sides at once", async ({ task }) => {
      const inAGap = dagsOf("in-a-gap");
      const beganMs = Date.now();
      const { dags } = await cutover(inAGap, "--watch", "4");

      const seconds = Object.entries(sides.paused.pausedMs(beganMs))
        .filter(([dag]) => inAGap.includes(dag))
        .map(([dag, ms]) => [dag, ms / 1000] as const);
      const each = seconds.map(([, one]) => one);
      console.info(`pause to unpause, seconds: ${JSON.stringify(Object.fromEntries(seconds))}`);
      console.info(`median ${median(each)} s`);
      task.meta.measured = `${median(each).toFixed(1)} s`;
      expect(dags.map(({ dagId }) => dagId)).toEqual(inAGap);
      expect(dags.filter(({ state }) => state !== "live" && state !== "settled")).toEqual([]);
      expect(sides.paused.doubled()).toEqual([]);
    });

    if (dagsOf("handed-over").length > 0) registerHandOver(() => ({ sides, kinds, cutover }));
    if (dagsOf("two-events").length > 0) registerTwoEvents(() => ({ sides, kinds, cutover }));

    test("every tick runs once: no gap, no double, and the target goes on where the source ended", async () => {
      const { source, target } = sides;
      const probe = async (): Promise<true | undefined> => {
        await target.assertAlive();
        const { dags } = await checkContinuity(source, target);
        return quick.every((dag) => (dags[dag]?.new ?? 0) >= 1) ? true : undefined;
      };
      await waitFor(probe, {
        timeoutMs: 240_000,
        describe: async () => `${JSON.stringify(await checkContinuity(source, target))}\n${await target.tails()}`,
      });

      const { breaks, dags } = await checkContinuity(source, target);
      console.info(JSON.stringify(dags));
      expect(breaks.filter(({ dag }) => all.includes(dag))).toEqual([]);
      const [daily] = await target.query<{ next: string; last: string }>(
        `select next_dagrun_data_interval_start::text as next,
          (select max(${isInRange(from, ">=2.2") ? "data_interval_end" : "execution_date + interval '1 day'"})::text from dag_run where dag_id = 'cut_daily') as last
         from dag where dag_id = 'cut_daily'`,
      );
      expect(daily?.next).toBe(daily?.last);
    });

    test.runIf(kinds.some(({ dag }) => dag === "cut_producer"))(
      "no event of a producer is lost to its consumer",
      async () => {
        const asset = to.startsWith("3") ? "asset" : "dataset";
        const lost = () =>
          sides.target.query(`select e.id, e.source_run_id, e.timestamp from ${asset}_event e
            where e.source_dag_id = 'cut_producer' and e.timestamp < now() - interval '20 seconds'
              and not exists (select from dagrun_${asset}_event d where d.event_id = e.id)`);

        // Events of the last moment have not been taken yet.
        await waitFor(async () => ((await lost()).length === 0 ? true : undefined), {
          timeoutMs: 40_000,
          describe: async () => `events that no run of the consumer took: ${JSON.stringify(await lost())}`,
        });
      },
    );

    test("the target reads every imported run", async ({ task }) => {
      const { source, target } = sides;
      if (target.api === undefined) {
        const { read, failures } = await readEverything(target);
        expect(failures).toEqual([]);
        task.meta.measured = `${Object.values(read).reduce((sum, rows) => sum + rows, 0)} rows`;
        return;
      }
      const { calls, failures } = await checkApi({ api: target.api, databaseUrl: target.databaseUrl });

      task.meta.measured = `${calls} calls`;
      const imported = new Set((await readSideRuns(source)).map(({ id }) => encodeURIComponent(id)));
      const runs = (await readSideRuns(target)).map(({ id }) => encodeURIComponent(id));
      const own = runs.filter((id) => !imported.has(id));
      expect(failures.filter(({ path }) => !own.some((id) => path.includes(id)))).toEqual([]);
      expect(calls).toBeGreaterThan(300);
    });

    test("an imported task runs again when it is cleared, and a sync leaves it as it is", async () => {
      const { source, target, migration } = sides;
      const imported = (await readSideRuns(source)).filter(({ dag, state }) => dag === "cut_minutely" && state !== "");
      const address = { dag: "cut_minutely", run: imported.at(-3)?.id ?? "", task: "work" };
      const before = await readAttempt(target, address);

      const after = await rerun(target, address);

      expect(after.number).toBe(before.number + 1);
      expect(after.began).not.toBe(before.began);
      const { liveOnTarget } = await migration.run<{ liveOnTarget: readonly string[] }>("sync");
      expect(liveOnTarget).toEqual(all);
      expect(await readAttempt(target, address)).toEqual(after);
    });

    test("the schedulers of both sides live, and the source has begun nothing since", async () => {
      const { source, target } = sides;
      await source.assertAlive();
      await target.assertAlive();
      const { breaks } = await checkContinuity(source, target);

      const ofOthers = breaks.filter(({ kind, dag }) => kind !== "ran on both" && all.includes(dag));
      expect(ofOthers).toEqual([]);
      expect(await source.query("select dag_id from dag where not is_paused and dag_id like 'cut%'")).toEqual([]);
    });

    test.runIf(wayBackOf(pair))(
      "DAGs go back with the work done since, and the source goes on where the target ended",
      async () => await goBack(sides),
    );
  });
}

async function goBack({ source, target, migration, paused }: WorkingPair): Promise<void> {
  const returning = ["cut_delta", "cut_minutely", "cut_two_minutely"];
  const ofReturning = ({ dag }: { readonly dag: string }) => returning.includes(dag);
  const newestOf = async () =>
    new Map((await readSideRuns(source)).filter(ofReturning).map((each) => [each.dag, each]));

  const { dags } = await migration.run<CutoverResult>("reverse", ...named(returning), "--yes");

  expect(dags.map(({ dagId, state }) => [dagId, state])).toEqual(returning.map((dag) => [dag, "reversed"]));
  // Whoever was interrupted and does not know how far it came asks once more.
  const again = await migration.run<CutoverResult>("reverse", ...named(returning), "--yes");
  expect(again.dags.map(({ state }) => state)).toEqual(returning.map(() => "reversed"));
  const brought = await newestOf();
  const probe = async (): Promise<true | undefined> => {
    await source.assertAlive();
    const newest = await newestOf();
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
}

interface Stage {
  readonly sides: WorkingPair;
  readonly kinds: readonly Kind[];
  readonly cutover: (dags: readonly string[], ...options: readonly string[]) => Promise<CutoverResult>;
}

/** What tasks are in when a run waits as its kind does. */
const WAITING: Readonly<Record<string, string>> = {
  cut_reschedule: "up_for_reschedule",
  cut_deferred: "deferred",
  cut_retry: "up_for_retry",
  cut_long: "running",
  cut_autumn: "up_for_reschedule",
  cut_spring: "up_for_reschedule",
};

function registerHandOver(stage: () => Stage): void {
  test("runs that never leave a gap go over half done, and end on the target", async ({ task }) => {
    const { sides, kinds, cutover } = stage();
    const { source, target } = sides;
    const held = kinds.filter(({ way }) => way === "handed-over" || way === "across-a-change").map(({ dag }) => dag);
    await sides.hold("work");
    const states = () =>
      source.query<{ dag: string; state: string }>(
        "select distinct dag_id as dag, state from task_instance where dag_id = any($1) and state = any($2)",
        [held, [...new Set(Object.values(WAITING))]],
      );
    const isWaiting = (seen: readonly { readonly dag: string; readonly state: string }[]) =>
      held.every((dag) => seen.some((one) => one.dag === dag && one.state === WAITING[dag]));
    await waitFor(async () => (isWaiting(await states()) ? true : undefined), {
      timeoutMs: 200_000,
      everyMs: 200,
      describe: async () => `${JSON.stringify(await states())}\n${await source.tails()}`,
    });

    const { dags } = await cutover(held, "--hand-over", "--drain-timeout", "1.5", "--watch", "0");

    expect(dags.map(({ dagId, state }) => [dagId, state])).toEqual(held.map((dag) => [dag, "live"]));
    expect(sides.paused.doubled()).toEqual([]);
    const handed = dags.flatMap(({ dagId, handedOver = [] }) => handedOver.map((run) => ({ dagId, run })));
    console.info(`handed over: ${JSON.stringify(handed)}`);
    task.meta.measured = `${handed.length} runs`;
    const inGaps = held.filter((dag) => !handed.some(({ dagId }) => dagId === dag));
    const mayBe = kinds.filter(({ hasGapsIn }) => hasGapsIn !== undefined && isInRange(source.release, hasGapsIn));
    expect(inGaps.filter((dag) => !mayBe.some((kind) => kind.dag === dag))).toEqual([]);
    await sides.letGo("work");
    await sides.letGo("change");
    const open = async () => {
      const rows = await target.query<{ dag: string; run: string; state: string }>(
        "select dag_id as dag, run_id as run, state from dag_run where dag_id = any($1) and state <> 'success'",
        [held],
      );
      return rows.filter((row) => handed.some(({ dagId, run }) => row.dag === dagId && row.run === run));
    };
    await waitFor(async () => ((await open()).length === 0 ? true : undefined), {
      timeoutMs: 300_000,
      describe: async () => `${JSON.stringify(await open())}\n${await target.tails()}`,
    });
    expect(
      await source.query(
        "select dag_id, run_id from dag_run where dag_id = any($1) and state in ('queued', 'running')",
        [held],
      ),
    ).toEqual([]);
  });

  test("a clock change in between shifts no tick: the dates are those of the same DAG that was never switched", async () => {
    const { sides } = stage();
    const dates = async () => {
      const [reference, switched] = await Promise.all([readSideRuns(sides.source), readSideRuns(sides.target)]);
      return ["autumn", "spring"].map((change) => ({
        change,
        reference: reference.filter(({ dag }) => dag === `ref_${change}`).map(({ date }) => date),
        switched: switched
          .filter(({ dag, state }) => dag === `cut_${change}` && state === "success")
          .map(({ date }) => date),
      }));
    };
    await waitFor(
      async () => ((await dates()).every((one) => one.switched.length >= one.reference.length) ? true : undefined),
      {
        timeoutMs: 240_000,
        describe: async () => `${JSON.stringify(await dates())}\n${await sides.target.tails()}`,
      },
    );

    for (const { reference, switched } of await dates()) {
      expect(reference.length).toBeGreaterThan(5);
      expect(switched).toEqual(reference);
    }
  });
}

/** Wherever the DAG is when the second event comes: the first one counts. */
function registerTwoEvents(stage: () => Stage): void {
  test("an event that was seen before the switch counts when the other one comes", async () => {
    const { sides, kinds } = stage();
    const { source, target } = sides;
    const both = kinds.filter(({ way }) => way === "two-events").map(({ dag }) => dag);
    const successes = async (airflow: typeof source, dag: string) =>
      (await airflow.query("select from dag_run where dag_id = $1 and state = 'success'", [dag])).length;
    const until = async (airflow: typeof source, dag: string, runs: number) =>
      await waitFor(async () => ((await successes(airflow, dag)) >= runs ? true : undefined), {
        timeoutMs: 90_000,
        describe: async () => `${dag} has not run ${runs} times\n${await airflow.tails()}`,
      });
    await source.trigger("cut_often");
    await until(source, "cut_often", 1);

    const args = ["cutover", ...named(both), "--yes", "--watch", "0"];
    const { code } = await sides.migration.attempt(args);

    expect(code).toBe(0);
    const [open] = await target.query("select from dag where dag_id = 'cut_both' and not is_paused");
    expect(open).toBeDefined();
    await target.trigger("cut_rare");
    await until(target, "cut_both", 1);
    expect(await successes(source, "cut_both")).toBe(0);
    expect(await successes(target, "cut_both")).toBe(1);
  });
}
