import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { NO_CONFLICTS } from "../../src/domain/plan.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { openDagDeltas } from "../../src/engine/sync/sync-dag.ts";
import { addRun } from "../support/add-run.ts";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";

const LIKE = { dag: "cw_scheduled", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;

async function openDeltas(environment: Environment, resources: AsyncDisposableStack) {
  const open = (name: "source" | "target") =>
    resources.use(openPostgres({ url: new Secret(environment[name].url), name, readOnly: name === "source" }));
  const [source, target] = [open("source"), open("target")];
  const probed = await probeBoth({ source, target });
  const keys = (name: string) => parseFernetKeys(new Secret(environment.variables[name] ?? ""));
  return await openDagDeltas({
    source,
    target,
    sourceSide: probed.source.side,
    targetSide: probed.target.side,
    identity: probed.source.facts.identity,
    entities,
    selection: EVERYTHING,
    codecs: { sourceKeys: keys("SOURCE_FERNET_KEY"), targetKeys: keys("TARGET_FERNET_KEY") },
    run: randomUUID(),
    conflicts: NO_CONFLICTS,
    now: new Date(),
    onEvent: () => {},
  });
}

test("the delta of a DAG brings all of it and nothing of others, again and again", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { source, target } = environment;
  await addRun(source, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
  await addRun(source, { dag: "cw_scheduled", run: "still_running", state: "running", like: LIKE });
  await source.query(
    "update task_instance set hostname = 'changed since' where dag_id in ('cw_scheduled', 'cw_mapped')",
  );

  const deltas = await openDeltas(environment, resources);
  const first = await deltas.bring("cw_scheduled");
  const second = await deltas.bring("cw_scheduled");

  expect(first).toMatchObject({ dag: "cw_scheduled", openRuns: ["still_running"] });
  expect([first.inserted, first.updated]).toEqual([13, 6]);
  expect(second).toMatchObject({ inserted: 0, updated: 0 });
  const rows = await target.query(
    "select dag_id, count(*)::int as n from task_instance where hostname = 'changed since' group by 1",
  );
  expect(rows).toEqual([{ dag_id: "cw_scheduled", n: 8 }]);
});

test("what fails when the rows are in takes them with it: a DAG's delta is there as a whole or not at all", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { target } = environment;
  await addRun(environment.source, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
  await target.query(
    "create function stop_it() returns trigger language plpgsql as $$ begin raise 'stopped at the commit'; end $$",
  );
  await target.query(
    "create constraint trigger stops after insert on dag_run deferrable initially deferred for each row execute function stop_it()",
  );

  const deltas = await openDeltas(environment, resources);
  const failed = deltas.bring("cw_scheduled");

  await expect(failed).rejects.toThrow("stopped at the commit");
  expect(await target.query("select 1 from dag_run where run_id = 'new_and_done'")).toEqual([]);
  await target.query("drop trigger stops on dag_run");
  expect(await deltas.bring("cw_scheduled")).toMatchObject({ inserted: 13 });
});

test("what a DAG has seen of the events that it waits for comes along, with the events, and again as it is then", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { source, target } = environment;
  const sees = (uris: readonly string[], at: string) =>
    source.query(
      `insert into dataset_dag_run_queue (dataset_id, target_dag_id, created_at)
       select id, 'cw_consumer', $2::timestamptz from dataset where uri = any($1)`,
      [uris, at],
    );
  const seen = () =>
    target.query(
      `select a.uri, to_char(q.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as at
       from asset_dag_run_queue q join asset a on a.id = q.asset_id where q.target_dag_id = 'cw_consumer' order by 1`,
    );
  const uris = (await source.query<{ uri: string }>("select uri from dataset order by uri")).map(({ uri }) => uri);
  const [first = "", second = ""] = uris;
  await source.query(
    `insert into dataset_event (dataset_id, extra, source_task_id, source_dag_id, source_run_id, source_map_index, timestamp)
     select id, '{}', 'write', 'cw_producer', 'seen_now', -1, now() from dataset where uri = any($1)`,
    [[first, second]],
  );
  // Another one on the target, which the DAG there has seen nothing of: names tell two assets of one URI apart there.
  await target.query(
    `insert into asset (name, uri, "group", extra, created_at, updated_at) values ('another', $1, 'asset', '{}', now(), now())`,
    [first],
  );
  const deltas = await openDeltas(environment, resources);

  await sees([first], "2024-03-04 05:06:07.123456+00");
  await deltas.bring("cw_consumer");
  // Again, as the switch does after a hold: the rights that the guide gives have no DELETE among them.
  await target.query(
    "create function refuse_it() returns trigger language plpgsql as $$ begin raise 'nothing is to be deleted'; end $$",
  );
  await target.query(
    "create trigger refuses before delete on asset_dag_run_queue for each statement execute function refuse_it()",
  );
  await deltas.bring("cw_consumer");
  await target.query("drop trigger refuses on asset_dag_run_queue");
  const once = await seen();
  await source.query("delete from dataset_dag_run_queue");
  await sees([second], "2024-03-05 00:00:00+00");
  await deltas.bring("cw_consumer");
  const twice = await seen();
  await source.query("delete from dataset_dag_run_queue");
  await deltas.bring("cw_consumer");

  expect(once).toEqual([{ uri: first, at: "2024-03-04 05:06:07.123456" }]);
  expect(twice).toEqual([{ uri: second, at: "2024-03-05 00:00:00.000000" }]);
  expect(await seen()).toEqual([]);
  const events = await target.query(
    "select a.uri from asset_event e join asset a on a.id = e.asset_id where e.source_run_id = 'seen_now' order by 1",
  );
  expect(events).toEqual([{ uri: first }, { uri: second }]);
});

test("a run that is handed over comes half done, and its unfinished tasks begin again", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { target } = environment;
  await target.query("insert into dag_bundle (name, active) values ('dags-folder', true) on conflict do nothing");
  await target.query(
    `insert into dag_version (id, version_number, dag_id, bundle_name, created_at, last_updated)
     values ('0198c0de-0000-7000-8000-000000000001', 1, 'seed_open', 'dags-folder', now(), now())`,
  );

  const deltas = await openDeltas(environment, resources);
  const delta = await deltas.bring("seed_open", ["manual__running"]);

  expect(delta.openRuns).toEqual(["manual__queued"]);
  const runs = await target.query(
    "select run_id, state, created_dag_version_id is not null as versioned from dag_run where dag_id = 'seed_open'",
  );
  expect(runs).toEqual([{ run_id: "manual__running", state: "running", versioned: true }]);
  const states = await target.query(
    "select distinct state, dag_version_id is not null as versioned, next_method from task_instance where dag_id = 'seed_open' order by 1",
  );
  const unfinished = states.filter(({ state }) => state === null);
  const finished = ["success", "failed", "skipped", "upstream_failed", "removed", null];
  expect(
    states.filter(({ state, versioned }) => versioned !== true || !finished.includes(state as string | null)),
  ).toEqual([]);
  expect(unfinished).toEqual([{ state: null, versioned: true, next_method: null }]);
});

test("runs that the target made itself, and that a way back brought to the source, are kept and no difference", async () => {
  await using environment = await anEnvironment();
  await using resources = new AsyncDisposableStack();
  await migrate(environment);
  const { source, target } = environment;
  await addRun(source, { dag: "cw_scheduled", run: "brought_back", state: "success", like: LIKE });
  await target.query(
    `insert into dag_run (id, dag_id, run_id, logical_date, run_after, run_type, state, clear_number)
     select nextval('dag_run_id_seq'), 'cw_scheduled', 'made here', (select max(logical_date) from dag_run) + interval '1 hour', now(), 'scheduled', 'success', 0`,
  );

  const deltas = await openDeltas(environment, resources);
  const delta = await deltas.bring("cw_scheduled");

  expect(delta.inserted).toBe(0);
  expect(await target.query("select run_id from dag_run where run_id in ('made here', 'brought_back')")).toEqual([
    { run_id: "made here" },
  ]);
  const { code, output } = await environment.run(["verify", "--dag", "cw_scheduled"]);
  expect(code, output).toBe(0);
});
