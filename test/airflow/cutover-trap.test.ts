import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
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
 * What a cutover that does not wait for the target's own view of the next run leads to. Nothing of the product takes part: the same situation,
 * with the product, is the one of `cutover.test.ts`.
 */
describe("the naive sequence on a genuine 3.3.2: parsed, the newest runs copied, unpaused at once", () => {
  const resources = new AsyncDisposableStack();
  // Even minutes: the DAG runs every two minutes.
  const start = new Date(Math.floor(Date.now() / (2 * MINUTE_MS)) * 2 * MINUTE_MS - TICKS * 2 * MINUTE_MS);
  let target: SchedulingAirflow;

  /** The runs there are, by the minutes from the DAG's start to their logical date. */
  async function runs(): Promise<readonly RunRow[]> {
    return await target.query<RunRow>(
      `select run_id as id, (extract(epoch from logical_date - $1::timestamptz) / 60)::int as minute
       from dag_run order by logical_date`,
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
    await target.parsed(["cut_trap"]);
    await sleep(1000);
    for (let tick = TICKS - COPIED; tick < TICKS; tick += 1) await copyRun(tick * 2);
    await target.query("update dag set is_paused = false where dag_id = 'cut_trap'");
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  test("the scheduler runs from the DAG's start on, and ends at the first id that a copied run has", async () => {
    await waitFor(async () => (target.scheduler.alive() ? undefined : true), {
      timeoutMs: 120_000,
      describe: async () => `the scheduler lives with ${JSON.stringify(await runs())}\n${await target.tails()}`,
    });

    const extra = (await runs()).filter(({ minute }) => minute < (TICKS - COPIED) * 2);
    expect(extra.map(({ minute }) => minute)).toEqual([0, 2, 4, 6, 8]);
    expect(await target.scheduler.tail()).toMatch(/UniqueViolation|PendingRollbackError/);
  });
});
