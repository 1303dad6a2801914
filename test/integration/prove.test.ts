import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabaseControl } from "../../src/connectors/airflow-database/database-control.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { prove } from "../../src/engine/cutover/prove.ts";
import type { Control } from "../../src/ports/control.ts";
import type { Session } from "../../src/ports/database.ts";
import { freshDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

const resources = new AsyncDisposableStack();
let session: Session;
let control: Control;

/** The rows were there at noon. */
const SINCE = "2026-11-29T12:00:00.000000Z";

beforeAll(async () => {
  const database = resources.use(await freshDatabase());
  const url = new Secret(database.url);
  session = await resources.use(openPostgres({ url, name: "test", maxSessions: 1 })).session();
  resources.use(session);
  await session.query(schemaDdl(recordedSchema("2.10.5")));
  await session.query(`alter table dag alter max_active_tasks drop not null, alter has_task_concurrency_limits drop not null,
    alter max_consecutive_failed_dag_runs drop not null, alter dag_display_name drop not null`);
  await session.query("alter table dag_priority_parsing_request add primary key (id)");
  await session.query(`insert into dag_run (dag_id, run_id, run_type, state, execution_date, data_interval_start, data_interval_end, clear_number)
    values ('etl', 'scheduled__2026-11-29T11:00:00+00:00', 'scheduled', 'running', '2026-11-29T11:00Z', '2026-11-29T11:00Z', '2026-11-29T11:10Z', 0)`);
  control = resources.use(
    openDatabaseControl({ side: "target", database: openPostgres({ url, name: "control" }), release: "2.10.5" }),
  );
});
afterAll(() => resources.disposeAsync());

/** A 2.x leaves the old dates of a DAG that has as many runs as it may have, and only takes away from when the next one may be made. */
async function parsed(at: string, createAfter: string | null): Promise<void> {
  await session.query("delete from dag");
  await session.query(
    `insert into dag (dag_id, is_paused, is_active, has_import_errors, fileloc, last_parsed_time, max_active_runs, next_dagrun,
       next_dagrun_data_interval_start, next_dagrun_data_interval_end, next_dagrun_create_after)
     values ('etl', true, true, false, '/etl.py', $1, 1, '2026-11-29T10:00Z', '2026-11-29T10:00Z', '2026-11-29T10:10Z', $2)`,
    [at, createAfter],
  );
}

async function proof() {
  const signal = AbortSignal.timeout(20_000);
  const clock = { now: () => new Date(), sleep: async () => {} };
  const times = { drainMs: 0, proofMs: 50, marginMs: 0, marginWithoutCatchupMs: 0, pollMs: 0 };
  return await prove({ to: { name: "target", control }, times, clock, signal, stop: signal }, "etl", SINCE);
}

test("a target that has as many runs as it may have proves by a parse that it makes none", async () => {
  await parsed("2026-11-29T12:00:01Z", null);

  expect(await proof()).toEqual({ next: null });
});

test.for([
  ["that was not parsed since", "2026-11-29T11:59:59Z", null],
  ["that would make an old run now", "2026-11-29T12:00:01Z", "2026-11-29T10:10Z"],
] as const)("a target %s proves nothing", async ([, at, createAfter]) => {
  await parsed(at, createAfter);

  await expect(proof()).rejects.toMatchObject({ code: "CUTOVER_NOT_PROVEN" });
});
