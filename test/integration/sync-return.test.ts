import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { NO_CONFLICTS } from "../../src/domain/plan.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { openReturnDeltas } from "../../src/engine/sync/sync-return.ts";
import { anEnvironment, type Environment, migrate, type OpenDatabase } from "../support/an-environment.ts";

const RUN = "scheduled__2024-03-03T00:00:00+00:00";

async function openReturn(environment: Environment, resources: AsyncDisposableStack) {
  const open = (name: "source" | "target", readOnly: boolean) =>
    resources.use(openPostgres({ url: new Secret(environment[name].url), name, readOnly }));
  const [source, target] = [open("target", true), open("source", false)];
  const probed = await probeBoth({ source, target });
  const keys = (name: string) => parseFernetKeys(new Secret(environment.variables[name] ?? ""));
  const job = {
    source,
    target,
    sourceSide: probed.source.side,
    targetSide: probed.target.side,
    identity: probed.source.facts.identity,
    entities,
    selection: EVERYTHING,
    codecs: { sourceKeys: keys("TARGET_FERNET_KEY"), targetKeys: keys("SOURCE_FERNET_KEY") },
    run: randomUUID(),
    conflicts: NO_CONFLICTS,
    now: new Date(),
    onEvent: () => {},
  };
  return await openReturnDeltas(job);
}

/** What a 3.x target does: it runs the next tick, and runs a task of an imported run again. */
async function workOn(target: OpenDatabase): Promise<void> {
  for (const sql of [
    `insert into dag_run (id, dag_id, run_id, logical_date, data_interval_start, data_interval_end, run_after, run_type, state, queued_at, start_date,
       end_date, conf, clear_number, log_template_id)
     select nextval('dag_run_id_seq'), dag_id, 'scheduled__2024-03-05T00:00:00+00:00', '2024-03-04', '2024-03-04', '2024-03-05', '2024-03-05', 'scheduled',
       'success', now(), now(), now(), '{"done": "on the target"}', 0, log_template_id from dag_run where dag_id = 'cw_scheduled' and run_id = '${RUN}'`,
    `insert into task_instance (id, task_id, dag_id, run_id, map_index, state, try_number, max_tries, hostname, pool, pool_slots, executor_config, operator)
     select gen_random_uuid(), task_id, dag_id, 'scheduled__2024-03-05T00:00:00+00:00', -1, 'success', 1, 0, 'on the target', pool, 1, executor_config, operator
     from task_instance where dag_id = 'cw_scheduled' and run_id = '${RUN}'`,
    `insert into xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
     select r.id, 'load', -1, 'made', 'cw_scheduled', r.run_id, '"on the target"', now() from dag_run r where r.run_id = 'scheduled__2024-03-05T00:00:00+00:00'`,
    `update task_instance set state = 'success', try_number = try_number + 1, hostname = 'run again on the target'
     where dag_id = 'cw_scheduled' and run_id = '${RUN}'`,
    `update xcom set value = '"again"' where dag_id = 'cw_scheduled' and run_id = '${RUN}'`,
    "insert into log (id, dttm, dag_id, event) values (nextval('log_id_seq'), now(), 'cw_scheduled', 'cleared on the target')",
    "update task_instance set hostname = 'another DAG' where dag_id = 'cw_mapped'",
  ])
    await target.query(sql);
}

test("what the target did since goes back under the source's own ids and names, and nothing else", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { source, target } = environment;
  const before = await source.query("select count(*)::int as n, max(id) as id from log where dag_id = 'cw_scheduled'");
  const untouched =
    "select md5(string_agg(t::text, '|' order by t::text)) as digest from task_instance t where not (dag_id = 'cw_scheduled')";
  const others = await source.query(untouched);
  const [mark] = await target.query<{ xid: string }>("select (txid_current() % 4294967296)::text as xid");
  await workOn(target);

  const deltas = await openReturn(environment, resources);
  const first = await deltas.bring("cw_scheduled", mark?.xid ?? "");
  const second = await deltas.bring("cw_scheduled", mark?.xid ?? "");

  expect([first.inserted, first.updated]).toEqual([4, 6]);
  expect([second.inserted, second.updated]).toEqual([0, 0]);
  const runs = await source.query(
    "select run_id, execution_date, run_type, external_trigger from dag_run where dag_id = 'cw_scheduled' order by execution_date desc limit 1",
  );
  expect(runs).toEqual([
    {
      run_id: "scheduled__2024-03-04T00:00:00+00:00",
      execution_date: new Date("2024-03-04"),
      run_type: "scheduled",
      external_trigger: false,
    },
  ]);
  const xcoms = await source.query(
    `select x.run_id, convert_from(x.value, 'UTF8') as value from xcom x join dag_run r on r.id = x.dag_run_id and r.run_id = x.run_id
     where x.dag_id = 'cw_scheduled' and convert_from(x.value, 'UTF8') in ('"again"', '"on the target"') order by 2, 1`,
  );
  expect(xcoms).toHaveLength(5);
  const tasks = await source.query(
    `select distinct hostname from task_instance where dag_id = 'cw_scheduled' and run_id = '${RUN}'`,
  );
  expect(tasks).toEqual([{ hostname: "run again on the target" }]);
  const after = await source.query("select count(*)::int as n from log where dag_id = 'cw_scheduled'");
  // The audit log stays where it was written.
  expect(after).toEqual([{ n: before[0]?.["n"] }]);
  const [sequence] = await source.query(
    "select last_value::int as last, (select max(id) from dag_run) as max from dag_run_id_seq",
  );
  expect(sequence?.["last"]).toBe(sequence?.["max"]);
  expect(await source.query(untouched)).toEqual(others);
});

test("what a DAG has seen of the events that it waits for goes back, and what the source had seen before is forgotten", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { source, target } = environment;
  const uris = (await source.query<{ uri: string }>("select uri from dataset order by uri")).map(({ uri }) => uri);
  await source.query(
    "insert into dataset_dag_run_queue (dataset_id, target_dag_id, created_at) select id, 'cw_consumer', now() from dataset where uri = $1",
    [uris[0]],
  );
  await target.query(
    "insert into asset_dag_run_queue (asset_id, target_dag_id, created_at) select id, 'cw_consumer', '2024-03-04 05:06:07.123456+00' from asset where uri = $1",
    [uris[1]],
  );
  const [mark] = await target.query<{ xid: string }>("select (txid_current() % 4294967296)::text as xid");

  const deltas = await openReturn(environment, resources);
  await deltas.bring("cw_consumer", mark?.xid ?? "");

  const seen = await source.query(
    "select d.uri, q.created_at::text from dataset_dag_run_queue q join dataset d on d.id = q.dataset_id where q.target_dag_id = 'cw_consumer'",
  );
  expect(seen).toEqual([{ uri: uris[1], created_at: expect.stringContaining("05:06:07.123456") }]);
});
