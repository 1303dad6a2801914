import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { emptyDatabase, query, type TestDatabase } from "../airflow/support/databases.ts";
import { nameOf, testCases } from "./environments.ts";
import { runCase } from "./run-case.ts";

let state: TestDatabase;

beforeAll(async () => {
  state = await emptyDatabase(inject("postgresUrl"), `crosswind_matrix_state_${process.pid}`);
});

afterAll(async () => {
  await state?.[Symbol.asyncDispose]();
});

test.for(testCases.map((each) => [nameOf(each), each] as const))("moves %s", async ([, each]) => {
  const result = await runCase(each, { serverUrl: inject("postgresUrl"), stateUrl: state.url });

  expect(result.failures).toEqual([]);
  expect(result.proof?.compared.values).toBeGreaterThan(1000);
  expect(result.proof?.api.calls).toBeGreaterThan(50);
});

/** A value of each kind that is wrong, and the entity that the proof has to name. */
const damages = [
  ["connection", "update connection set login = 'another' where conn_id = 'm_full'"],
  ["variable", "update variable set description = null where key = 'm_text'"],
  ["slot_pool", "update slot_pool set slots = slots + 1 where pool = 'm_unlimited'"],
  ["dag", "update dag set is_paused = false where dag_id = 'm_hist'"],
  ["dag_run", "update dag_run set conf = null where run_id = 'manual__conf_big'"],
  ["task_instance", "update task_instance set end_date = end_date + interval '1 microsecond' where task_id = 'full ü'"],
  ["xcom", "update xcom set value = 'false' where key = 'true'"],
  ["rendered_task_instance_fields", "delete from rendered_task_instance_fields where task_id = 'bare'"],
  ["task_map", "update task_map set length = 4 where task_id = 'bare'"],
  ["task_reschedule", "delete from task_reschedule where id = (select min(id) from task_reschedule)"],
  ["asset_event", "update asset_event set source_task_id = 'another' where source_task_id is not null"],
  ["log", "insert into log (dttm, event) values (now(), 'nobody did this')"],
] as const;

test("the proof names every kind of damage", async () => {
  const each = testCases.find((one) => nameOf(one) === "2.4.3 to 3.3.2");
  if (each === undefined) throw new Error("the case is gone");

  const result = await runCase(each, {
    serverUrl: inject("postgresUrl"),
    stateUrl: state.url,
    damage: async (databaseUrl) => {
      for (const [, sql] of damages) await query(databaseUrl, sql);
    },
  });

  const named = result.proof?.compared.differences.map((difference) => difference.entity);
  expect(new Set(named)).toEqual(new Set(damages.map(([entity]) => entity)));
});
