import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { aFernetKey, anEnvironment, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

async function aCopiedEnvironment(): Promise<Environment> {
  const environment = await anEnvironment();
  await environment.plan();
  const applied = await environment.apply();
  expect(applied.code, applied.output).toBe(0);
  return environment;
}

test("what the target has of its own stops the plan, named; configuration objects with equal values do not", async () => {
  await using environment = await aCopiedEnvironment();
  // Without the ledger all of it is somebody else's.
  await environment.target.query("drop schema crosswind cascade");

  const equal = await environment.plan();
  await environment.target.query(
    `update variable set description = 'their secret text' where key = 'seed_text';
     update slot_pool set slots = 1234567 where pool = 'seed_deferred';
     update connection set host = 'their.example.com', port = 7 where conn_id = 'seed_full';
     update dag set is_paused = false where dag_id in ('cw_scheduled', 'cw_outcomes');
     delete from dag_run where dag_id <> 'cw_scheduled';
     delete from task_instance;
     update dag_run set run_id = 'theirs_' || id;
     delete from dag_run where id <> (select min(id) from dag_run)`,
  );
  const planned = await environment.plan();
  const forPeople = await environment.run(["plan"]);

  expect(equal.blockers.map((each) => [each.code, each.count])).toEqual([["TARGET_HAS_RUNS", 28]]);
  expect(planned.code).toBe(3);
  const codes = planned.blockers.map((each) => [each.code, each.entity, each.subjects]);
  expect(codes).toEqual([
    ["TARGET_DAG_UNPAUSED", "dag", ["cw_outcomes", "cw_scheduled"]],
    ["TARGET_HAS_RUNS", "dag_run", [expect.stringMatching(/^cw_scheduled · scheduled__/)]],
    ["TARGET_HAS_OTHER_OBJECT", "connection", ["connection:seed_full"]],
    ["TARGET_HAS_OTHER_OBJECT", "variable", ["variable:seed_text"]],
    ["TARGET_HAS_OTHER_OBJECT", "slot_pool", ["slot_pool:seed_deferred"]],
  ]);
  expect(planned.blockers[2]?.what).toContain('"seed_full" differs in host, port');
  expectComplete(planned);
  expect(forPeople.text).toContain("2 selected DAGs are unpaused on the target");
  expect(planned.output + forPeople.output).not.toMatch(/their secret text|1234567|their\.example\.com/);
});

test("a second plan takes nothing that was copied for a conflict, and its apply brings what finished since, nothing twice", async () => {
  await using environment = await aCopiedEnvironment();
  const before = await counts(environment);
  await environment.source.query(
    `insert into dag_run (dag_id, execution_date, start_date, end_date, state, run_id, external_trigger, run_type, log_template_id, clear_number)
       select dag_id, '2025-01-01T00:00:00Z', now(), now(), 'success', 'manual__later', true, 'manual', log_template_id, 0
       from dag_run where dag_id = 'cw_scheduled' limit 1;
     insert into task_instance (task_id, dag_id, run_id, map_index, state, try_number, pool, pool_slots, max_tries)
       values ('extract', 'cw_scheduled', 'manual__later', -1, 'success', 1, 'default_pool', 1, 0);
     insert into xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
       select id, 'extract', -1, 'return_value', dag_id, run_id, '{"later": true}', now() from dag_run where run_id = 'manual__later'`,
  );
  const [open] = await environment.source.query<{ dag_id: string; run_id: string }>(
    `update dag_run set state = 'success', end_date = now() where id = (select min(id) from dag_run r where state not in ('success', 'failed')
       and exists (select 1 from task_instance t where t.dag_id = r.dag_id and t.run_id = r.run_id)) returning dag_id, run_id`,
  );

  const planned = await environment.plan(["-o", "second.json"]);
  const applied = await environment.apply(["second.json"]);
  const again = await environment.apply(["second.json"]);

  expect(planned.blockers).toEqual([]);
  expect(planned.entity("dag_run")).toMatchObject({ toCopy: 30, alreadyThere: 28 });
  expect(applied.code, applied.output).toBe(0);
  const after = await counts(environment);
  expect(after).toMatchObject({
    runs: 30,
    connections: before["connections"],
    variables: before["variables"],
    logs: planned.entity("log").toCopy,
  });
  expect(after["instances"]).toBe(planned.entity("task_instance").toCopy);
  expect(await environment.target.query("select value from xcom where run_id = 'manual__later'")).toEqual([
    { value: { later: true } },
  ]);
  const ofOpen = "select count(*)::int as n from task_instance where dag_id = $1 and run_id = $2";
  const [theirs] = await environment.source.query(ofOpen, [open?.dag_id, open?.run_id]);
  expect(await environment.target.query(ofOpen, [open?.dag_id, open?.run_id])).toEqual([theirs]);
  expect(again.code).toBe(0);
  expect(again.json).toMatchObject({ wasDone: true });
});

async function counts(environment: Environment): Promise<Readonly<Record<string, unknown>>> {
  const [row] = await environment.target.query(
    `select (select count(*)::int from dag_run) as runs, (select count(*)::int from task_instance) as instances,
       (select count(*)::int from connection) as connections, (select count(*)::int from variable) as variables,
       (select count(*)::int from log) as logs`,
  );
  return row ?? {};
}

test("a plan that no longer holds is refused with what has changed, and nothing is written", async () => {
  await using environment = await anEnvironment();
  await using other = await anEnvironment({ source: "nothing" });
  await environment.plan();

  const otherTarget = await environment.apply([], { env: { TARGET_DATABASE_URL: other.target.url } });
  const otherKey = await environment.apply([], { env: { TARGET_FERNET_KEY: aFernetKey() } });
  await environment.target.query("alter table dag_run add column their_own text");
  const otherColumns = await environment.apply();
  await environment.target.query("alter table dag_run drop column their_own");
  await environment.target.query("insert into variable (key, val, is_encrypted) values ('seed_text', 'theirs', false)");
  const inTheWay = await environment.apply();
  const forPeople = await environment.run(["apply"]);

  const stopped = [otherTarget, otherKey, otherColumns, inTheWay];
  expect(stopped.map((each) => [each.code, each.problem?.code])).toEqual(stopped.map(() => [1, "PLAN_STALE"]));
  expect(stopped.map((each) => each.problem?.what)).toEqual([
    expect.stringContaining("the target is another database"),
    expect.stringContaining("the target's Fernet key is not the one that was planned with"),
    expect.stringContaining("columns of the target have changed"),
    expect.stringContaining("TARGET_HAS_OTHER_OBJECT"),
  ]);
  stopped.forEach(expectComplete);
  expect(forPeople.text).toContain("Next plan again: crosswind plan -o crosswind.plan.json");
  expect(await environment.target.query("select 1 from pg_namespace where nspname = 'crosswind'")).toEqual([]);
});

test("a file that is no plan is refused", async () => {
  await using environment = await anEnvironment({ source: "nothing", target: "nothing" });
  await writeFile(join(environment.folder, "text.json"), "no plan");
  await writeFile(join(environment.folder, "other.json"), '{"format": 2}');

  const refused = await Promise.all(
    ["absent.json", "text.json", "other.json"].map((file) => environment.apply([file])),
  );

  expect(refused.map((each) => [each.code, each.problem?.code])).toEqual(refused.map(() => [1, "PLAN_UNREADABLE"]));
  refused.forEach(expectComplete);
});

test("a plan that was edited by hand is refused, and one that was only indented anew is not", async () => {
  await using environment = await anEnvironment({ source: "airflow-2.10.5-empty" });
  const file = join(environment.folder, "crosswind.plan.json");
  await environment.plan();
  const plan = JSON.parse(await readFile(file, "utf8")) as object;
  const edited = { ...plan, acceptsLoss: true };

  await writeFile(file, JSON.stringify(edited));
  const refused = await environment.apply();
  await writeFile(file, JSON.stringify(plan));
  const applied = await environment.apply();

  expect([refused.code, refused.problem?.code], refused.output).toEqual([1, "PLAN_EDITED"]);
  expectComplete(refused);
  expect(applied.code, applied.output).toBe(0);
});
