import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { DRAIN_POLICY } from "../../src/airflow/drain-policy.ts";
import { checkContinuity } from "../airflow/support/cutover-continuity.ts";
import { busyFile, type SchedulingAirflow, startScheduling } from "../airflow/support/cutover-environment.ts";
import { type CutoverMigration, type CutoverResult, openMigration } from "../airflow/support/cutover-migration.ts";
import { waitFor } from "../airflow/support/processes.ts";

const KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const BOTH = ["cut_busy", "cut_due"];

interface Missed {
  readonly isContinuous: boolean;
  readonly missed: readonly { readonly dagId: string; readonly runs: readonly { readonly logicalDate: string }[] }[];
  readonly added: readonly { readonly dagId: string; readonly logicalDate: string; readonly failed?: string }[];
}

/** Runs follow each other without a gap: only what keeps new ones from beginning ever drains them. */
describe("DAGs without a gap, where both sides have the drain policy", () => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;

  async function succeeded(airflow: SchedulingAirflow, dag: string, since = "2000-01-01"): Promise<readonly string[]> {
    const date = airflow === source ? "execution_date" : "logical_date";
    const rows = await airflow.query<{ at: string }>(
      `select to_char(${date} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from dag_run
       where dag_id = $1 and state = 'success' and ${date} > $2::timestamptz order by 1`,
      [dag, since],
    );
    return rows.map(({ at }) => at);
  }

  async function until(airflow: SchedulingAirflow, probe: () => Promise<boolean>): Promise<void> {
    const look = async () => {
      await airflow.assertAlive();
      return (await probe()) ? true : undefined;
    };
    await waitFor(look, { timeoutMs: 400_000, describe: () => airflow.tails() });
  }

  /** The end dates that the source has parsed. */
  async function endDates(): Promise<readonly boolean[]> {
    const rows = await source.query<{ ends: boolean }>(
      "select (data::jsonb #> '{dag,end_date}') is not null as ends from serialized_dag order by dag_id",
    );
    return rows.map(({ ends }) => ends);
  }

  beforeAll(async () => {
    const start = new Date(Date.now() - 60_000).toISOString().slice(0, 16);
    const common = { serverUrl: inject("postgresUrl"), dagFiles: [busyFile], fernetKey: KEY, start };
    const both = { ...common, localSettings: DRAIN_POLICY };
    source = resources.use(
      await startScheduling({ ...both, release: "2.10.5", name: "cutover_busy_source", isPausedAtCreation: false }),
    );
    target = resources.use(
      await startScheduling({ ...both, release: "3.3.2", name: "cutover_busy_target", isPausedAtCreation: true }),
    );
    await source.parsed(BOTH);
    await target.parsed(BOTH);
    await until(source, async () => (await succeeded(source, "cut_busy")).length > 0);
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan");
    await migration.run("apply");
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("waiting alone drains none of them: they are restored", async () => {
    const args = ["cutover", "--dag", "cut_busy", "--yes", "--watch", "0", "--drain-timeout", "0.2"];

    const { code, stdout } = await migration.attempt(args);

    expect(code, stdout).toBe(3);
    expect((JSON.parse(stdout) as CutoverResult).dags).toMatchObject([{ dagId: "cut_busy", state: "restored" }]);
  });

  test("the policy ends them with their newest runs, which end, and they go live", async () => {
    const args = ["cutover", "--dag", "cut_*", "--drain-policy", "--yes", "--watch", "0"];

    const { dags } = await migration.run<CutoverResult>(...args);

    console.info(JSON.stringify(dags));
    expect(dags.map(({ dagId, state }) => [dagId, state])).toEqual(BOTH.map((dag) => [dag, "live"]));
    expect(await endDates()).toEqual([true, true]);
    expect(await source.query("select 1 from dag where next_dagrun_create_after is not null")).toEqual([]);
    expect(await source.query("select 1 from dag_run where state <> 'success'")).toEqual([]);
    // It is the source's own: the target would end its DAGs, too.
    expect(await target.query("select 1 from variable")).toEqual([]);
  });

  test("what passed meanwhile is made up for with catchup, and added on request without", async () => {
    const [last] = (await succeeded(source, "cut_busy")).slice(-1);
    const passed = async (): Promise<boolean> => (await succeeded(target, "cut_busy", last)).length > 0;
    await until(target, passed);
    const args = ["continuity", "--dag", "cut_*", "--add-missed", "--yes"];

    const { missed, added } = await migration.run<Missed>(...args);

    expect(missed.map(({ dagId }) => dagId)).toEqual(["cut_busy"]);
    expect(added.length).toBeGreaterThan(0);
    expect(added.filter(({ failed }) => failed !== undefined)).toEqual([]);
    await until(target, async () => {
      const done = await succeeded(target, "cut_busy");
      return added.every(({ logicalDate }) => done.includes(logicalDate));
    });
    // Without catchup the source may have left some out before.
    const { breaks } = await checkContinuity(source, target);
    expect(breaks.filter(({ dag, kind }) => dag === "cut_due" || kind !== "gap")).toEqual([]);
    expect((await migration.run<Missed>(...args)).missed).toEqual([]);
  });

  test("on the way back the end is taken away, and the source goes on", async () => {
    const { dags } = await migration.run<CutoverResult>("reverse", "--dag", "cut_due", "--drain-policy", "--yes");

    expect(dags).toMatchObject([{ dagId: "cut_due", state: "reversed" }]);
    const brought = await succeeded(source, "cut_due");
    await until(source, async () => (await succeeded(source, "cut_due", brought.at(-1))).length > 0);
    expect(await endDates()).toEqual([true, false]);
    const { breaks } = await checkContinuity(target, source);
    expect(breaks.filter(({ dag }) => dag === "cut_due")).toEqual([]);
  });
});
