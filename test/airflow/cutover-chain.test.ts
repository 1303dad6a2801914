import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { chainFile, type SchedulingAirflow, startScheduling } from "./support/cutover-environment.ts";
import { type CutoverMigration, type CutoverResult, openMigration } from "./support/cutover-migration.ts";
import { run, waitFor } from "./support/processes.ts";

const KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const BOTH = ["cut_slow_producer", "cut_started"];

describe("a producer and the DAG that its events start, cut over together while the producer works", () => {
  const resources = new AsyncDisposableStack();
  let source: SchedulingAirflow;
  let target: SchedulingAirflow;
  let migration: CutoverMigration;

  async function produce(): Promise<void> {
    await run(source.install.airflow, ["dags", "trigger", "cut_slow_producer"], { env: source.env, cwd: source.home });
  }

  /** Runs of a DAG in a state. */
  async function count(airflow: SchedulingAirflow, dag: string, state: string): Promise<number> {
    return (await airflow.query("select from dag_run where dag_id = $1 and state = $2", [dag, state])).length;
  }

  async function until(airflow: SchedulingAirflow, wanted: readonly [dag: string, state: string, runs: number]) {
    const [dag, state, runs] = wanted;
    await waitFor(async () => ((await count(airflow, dag, state)) >= runs ? true : undefined), {
      timeoutMs: 45_000,
      describe: async () => `${dag} has ${await count(airflow, dag, state)} runs in ${state}, not ${runs}`,
    });
  }

  beforeAll(async () => {
    const common = {
      serverUrl: inject("postgresUrl"),
      dagFiles: [chainFile],
      fernetKey: KEY,
      start: "2026-01-01T00:00",
    };
    const here = { release: "2.10.5", name: "cutover_chain_source", isPausedAtCreation: false } as const;
    source = resources.use(await startScheduling({ ...common, ...here }));
    const there = { release: "3.3.2", name: "cutover_chain_target", isPausedAtCreation: true } as const;
    target = resources.use(await startScheduling({ ...common, ...there }));
    await source.parsed(BOTH);
    await target.parsed(BOTH);
    await produce();
    await until(source, ["cut_started", "success", 1]);
    migration = resources.use(await openMigration(source, target));
    await migration.run("plan", "--on-conflict", "asset=keep-target");
    await migration.run("apply");
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("both go live, and the run that was under way ends on the source", async () => {
    await produce();
    await until(source, ["cut_slow_producer", "running", 1]);

    const { dags } = await migration.run<CutoverResult>("cutover", "--dag", "cut_*", "--yes", "--watch", "0");

    expect(dags.map(({ state }) => state)).toEqual(["live", "live"]);
    expect(await count(source, "cut_slow_producer", "success")).toBe(2);
    expect(await count(target, "cut_slow_producer", "success")).toBe(2);
  });

  test("the event of that run starts its run, on one of both sides", async () => {
    await until(target, ["cut_started", "success", 2]);
  });
});
