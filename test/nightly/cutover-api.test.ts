import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { adminToken } from "../airflow/support/api.ts";
import { type Fault, type FaultyApi, faultyApi } from "../airflow/support/api-faults.ts";
import { type SchedulingAirflow, startScheduling, tenFile } from "../airflow/support/cutover-environment.ts";
import { type CutoverMigration, type CutoverResult, openMigration } from "../airflow/support/cutover-migration.ts";
import { type PausedWatch, watchPaused } from "../airflow/support/cutover-watch.ts";

const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";

/** Those of the ten that have no tick meanwhile, each with what becomes of its unpause. */
const FAULTS: readonly {
  readonly dag: string;
  readonly name: string;
  readonly fault: Fault;
  readonly passes?: true;
}[] = [
  { dag: "cut_ten_3", name: "401", fault: { answer: 401 } },
  { dag: "cut_ten_4", name: "403", fault: { answer: 403 } },
  { dag: "cut_ten_5", name: "429 once", fault: { answer: 429, times: 1 }, passes: true },
  { dag: "cut_ten_6", name: "500", fault: { answer: 500 } },
  { dag: "cut_ten_7", name: "500, although it was done", fault: { answer: 500, isDone: true } },
  { dag: "cut_ten_8", name: "no answer", fault: { answer: "hang" } },
  {
    dag: "cut_ten_9",
    name: "a connection that is cut, although it was done",
    fault: { answer: "reset", isDone: true },
  },
];

describe("a target whose API fails when a DAG is unpaused there", () => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let api: FaultyApi;
  let migration: CutoverMigration;
  let paused: PausedWatch;

  beforeAll(async () => {
    const dags = FAULTS.map(({ dag }) => dag);
    const start = new Date(Date.now() - 9 * 60_000).toISOString().slice(0, 16);
    const common = { serverUrl: inject("postgresUrl"), dagFiles: [tenFile], start };
    const here = { name: "api_faults_source", fernetKey: SOURCE_KEY, isPausedAtCreation: false };
    source = resources.use(await startScheduling({ ...common, ...here, release: "2.10.5" }));
    const there = { name: "api_faults_target", fernetKey: TARGET_KEY, isPausedAtCreation: true };
    target = resources.use(await startScheduling({ ...common, ...there, release: "3.3.2" }));
    await source.parsed(dags);
    await target.parsed(dags);
    const url = target.env["AIRFLOW__API__BASE_URL"] ?? "";
    api = resources.use(await faultyApi(url));
    const { databaseUrl, fernetKey } = target;
    const through = { databaseUrl, fernetKey, door: { url: api.url, token: await adminToken(url) } };
    migration = resources.use(await openMigration(source, through));
    await migration.run("plan");
    await migration.run("apply");
    paused = resources.use(await watchPaused(source.databaseUrl, target.databaseUrl));
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  async function isPaused(airflow: SchedulingAirflow, dag: string): Promise<boolean | undefined> {
    const [row] = await airflow.query<{ is_paused: boolean }>("select is_paused from dag where dag_id = $1", [dag]);
    return row?.is_paused;
  }

  test.for(FAULTS)(
    "$name: the DAG is never live on both sides, and the next try makes it live on the target",
    async ({ dag, fault, passes }) => {
      const args = ["cutover", "--dag", dag, "--yes", "--watch", "0"];
      api.set(dag, fault);

      const first = await migration.attempt(args);
      const met = api.met();
      const [onSource, onTarget] = [await isPaused(source, dag), await isPaused(target, dag)];
      api.set(dag, undefined);
      const { dags } = await migration.run<CutoverResult>(...args);

      expect(met).toBeGreaterThan(0);
      expect(first.code, first.stdout).toBe(passes === true ? 0 : 3);
      // Never both at once; and what is told to be live is.
      expect(onSource).toBe(true);
      if (passes === true) expect(onTarget).toBe(false);
      console.info(`${dag}: ended with ${first.code}, paused on the source ${onSource}, on the target ${onTarget}`);
      expect(dags).toMatchObject([{ dagId: dag, state: "live" }]);
      expect([await isPaused(source, dag), await isPaused(target, dag)]).toEqual([true, false]);
      expect(paused.doubled()).toEqual([]);
    },
  );
});
