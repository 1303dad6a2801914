import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { handOverStatements } from "../../src/airflow/hand-over.ts";
import { type SchedulingAirflow, startScheduling, trapFile } from "./support/cutover-environment.ts";
import { waitFor } from "./support/processes.ts";

const KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const MINUTE_MS = 60_000;
/** Ticks since the DAG's start of which the naive copy brings the newest only. */
const TICKS = 10;
const COPIED = 4;

interface RunRow {
  readonly id: string;
  readonly minute: number;
}

/**
 * What naive sequences lead to, and, where that is a matter of rows, what ours write in their place. The same situations, with the whole product, are
 * those of `cutover.test.ts`.
 */
describe("naive sequences on a genuine 3.3.2", () => {
  const resources = new AsyncDisposableStack();
  // Even minutes: the DAG runs every two minutes.
  const start = new Date(Math.floor(Date.now() / (2 * MINUTE_MS)) * 2 * MINUTE_MS - TICKS * 2 * MINUTE_MS);
  let target: SchedulingAirflow;

  /** The runs there are of the DAG that is due, by the minutes from its start to their logical date. */
  async function runs(): Promise<readonly RunRow[]> {
    return await target.query<RunRow>(
      `select run_id as id, (extract(epoch from logical_date - $1::timestamptz) / 60)::int as minute
       from dag_run where dag_id = 'cut_trap' order by logical_date`,
      [start.toISOString()],
    );
  }

  /** A run as it is in a 2.x: its id made of the logical date. */
  async function copyRun(minute: number): Promise<void> {
    await target.query(
      `insert into dag_run (dag_id, logical_date, run_id, run_type, state, triggered_by, conf, data_interval_start,
         data_interval_end, run_after, start_date, end_date, queued_at, log_template_id, clear_number)
       select 'cut_trap', at, 'scheduled__' || to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS+00:00'), 'scheduled', 'success',
         'TIMETABLE', '{}', at, at + interval '2 minutes', at + interval '2 minutes', at, at, at, (select max(id) from log_template), 0
       from (select $1::timestamptz + make_interval(mins => $2) as at) t`,
      [start.toISOString(), minute],
    );
  }

  /** A manual run of a 2.x as it is there, with its first task done. */
  async function copyHalfDone(run: string, state: string, triggeredBy: string): Promise<void> {
    await target.query(
      `insert into dag_run (dag_id, logical_date, run_id, run_type, state, triggered_by, conf, run_after, start_date, queued_at, log_template_id, clear_number)
       values ('cut_half', now(), $1, 'manual', $2, $3, '{}', now(), now(), now(), (select max(id) from log_template), 0)`,
      [run, state, triggeredBy],
    );
    for (const [task, ended] of [
      ["work", "success"],
      ["after", state === "success" ? "success" : null],
    ])
      await target.query(
        `insert into task_instance (id, dag_id, run_id, task_id, state, try_number, max_tries, pool, pool_slots, queue, priority_weight, operator)
         values (gen_random_uuid(), 'cut_half', $1, $2, $3, 1, 3, 'default_pool', 1, 'default', 1, 'PythonOperator')`,
        [run, task, ended],
      );
  }

  async function stateOf(run: string, task: string): Promise<string | null | undefined> {
    const [row] = await target.query<{ state: string | null }>(
      "select state from task_instance where dag_id = 'cut_half' and run_id = $1 and task_id = $2",
      [run, task],
    );
    return row?.state;
  }

  beforeAll(async () => {
    target = resources.use(
      await startScheduling({
        release: "3.3.2",
        serverUrl: inject("postgresUrl"),
        name: "cutover_trap",
        fernetKey: KEY,
        isPausedAtCreation: true,
        dagFiles: [trapFile],
        start: start.toISOString().slice(0, 16),
        // No parse comes to its rescue.
        extra: { AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL: "600" },
      }),
    );
    await target.parsed(["cut_trap", "cut_half"]);
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("what started a run, in lower case as in a REST call, and every call about the run fails", async () => {
    const path = (run: string) => `/api/v2/dags/cut_half/dagRuns/${run}`;
    await copyHalfDone("manual__lower", "success", "timetable");
    await copyHalfDone("manual__capitals", "success", "TIMETABLE");

    expect(await target.api?.probe(path("manual__lower"))).toMatchObject({ status: 500 });
    expect(await target.api?.probe(path("manual__capitals"))).toBeUndefined();
    await target.query("delete from dag_run where run_id = 'manual__lower'");
  });

  test("a run copied half done stays queued; with what a hand-over writes, it goes on at once", async () => {
    await copyHalfDone("manual__half", "running", "REST_API");
    await target.query("update dag set is_paused = false where dag_id = 'cut_half'");
    const refused = /does not have a dag_version_id set/;
    await waitFor(async () => (refused.test(await readFile(target.scheduler.logFile, "utf8")) ? true : undefined), {
      timeoutMs: 60_000,
      describe: () => target.tails(),
    });
    await sleep(5000);
    expect(await stateOf("manual__half", "after")).toBe("queued");

    for (const sql of handOverStatements("3.3.2")) await target.query(sql, ["cut_half", ["manual__half"]]);

    await waitFor(async () => ((await stateOf("manual__half", "after")) === "success" ? true : undefined), {
      timeoutMs: 120_000,
      describe: async () => `${await stateOf("manual__half", "after")}\n${await target.tails()}`,
    });
  });

  test("parsed, the newest runs copied, unpaused at once: it runs from the start date on, and ends at the first id that a copied run has", async () => {
    for (let tick = TICKS - COPIED; tick < TICKS; tick += 1) await copyRun(tick * 2);
    await target.query("update dag set is_paused = false where dag_id = 'cut_trap'");

    await waitFor(async () => (target.scheduler.alive() ? undefined : true), {
      timeoutMs: 120_000,
      describe: async () => `the scheduler lives with ${JSON.stringify(await runs())}\n${await target.tails()}`,
    });

    const extra = (await runs()).filter(({ minute }) => minute < (TICKS - COPIED) * 2);
    expect(extra.map(({ minute }) => minute)).toEqual([0, 2, 4, 6, 8]);
    expect(await target.scheduler.tail()).toMatch(/UniqueViolation|PendingRollbackError/);
  });
});
