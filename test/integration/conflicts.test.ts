import { expect, test } from "vitest";
import { anEnvironment, type OpenDatabase } from "../support/an-environment.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

const RUN = "dag_id = 'cw_scheduled' and run_id = (select min(run_id) from dag_run where dag_id = 'cw_scheduled')";

/** Everything that a test of what stays compares: secrets are left out, they are encrypted anew. */
async function content(target: OpenDatabase): Promise<readonly unknown[]> {
  return await target.query(
    `select 'variable' as kind, key as name, description as value from variable
     union all select 'connection', conn_id, host from connection
     union all select 'run', dag_id || ' ' || run_id, id || ' ' || state from dag_run
     union all select 'task instance', dag_id || ' ' || run_id || ' ' || task_id || map_index, id || ' ' || coalesce(state, '') from task_instance
     order by 1, 2`,
  );
}

test("keep-target: what the target has stays, with all that hangs on its runs, and verify knows it", async () => {
  await using environment = await aMigratedEnvironment();
  const { target } = environment;
  // Without the ledger all of it is somebody else's.
  await target.query(
    `drop schema crosswind cascade;
     update variable set description = 'theirs' where key = 'seed_text';
     update connection set host = 'theirs.example.com' where conn_id = 'seed_full';
     update task_instance set state = 'removed' where ${RUN}`,
  );
  const before = await content(target);

  const flags = ["variable", "connection", "dag_run"].flatMap((id) => ["--on-conflict", `${id}=keep-target`]);
  const planned = await environment.plan(flags);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(planned.blockers).toEqual([]);
  expect(planned.finding("TARGET_HAS_RUNS")).toMatchObject({ severity: "note", count: 28 });
  expect(planned.entity("variable").leftBehind).toEqual([{ rows: 1, reason: "stay as they are on the target" }]);
  expect(planned.entity("dag_run").toCopy).toBe(0);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(await content(target)).toEqual(before);
  expect(verified, verified.output).toMatchObject({ code: 0 });
});

/** A run of the target's own under the id of one of the source's, with a task that the source's has not. */
async function addTheirRun(target: OpenDatabase, run: { readonly dag: string; readonly id: string }): Promise<void> {
  await target.query(
    `insert into dag_run (id, dag_id, run_id, logical_date, state, run_type, run_after, clear_number, span_status)
     values (5000, '${run.dag}', '${run.id}', '2001-01-01', 'failed', 'scheduled', '2001-01-01', 0, 'not_started')`,
  );
  await target.query(
    `insert into task_instance (id, dag_id, run_id, task_id, map_index, state, try_number, max_tries, pool, pool_slots, span_status)
     values (gen_random_uuid(), '${run.dag}', '${run.id}', 'theirs', -1, 'success', 1, 0, 'default_pool', 1, 'not_started')`,
  );
  await target.query(
    `insert into xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
     values (5000, 'theirs', -1, 'return_value', '${run.dag}', '${run.id}', '1', now())`,
  );
}

test("replace: the target's objects and runs become the source's, under the ids that they had", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  const [run] = await source.query<{ id: string; tasks: number; notes: number }>(
    `select r.run_id as id, (select count(*)::int from task_instance t where t.dag_id = r.dag_id and t.run_id = r.run_id) as tasks,
       (select count(*)::int from dag_run_note n where n.dag_run_id = r.id) as notes
     from dag_run r where r.dag_id = 'cw_scheduled' order by notes desc, 1 limit 1`,
  );
  const id = run?.id ?? "";
  await addTheirRun(target, { dag: "cw_scheduled", id });
  await target.query("insert into variable (key, val, is_encrypted) values ('seed_text', 'theirs', false)");

  const stopped = await environment.plan();
  const flags = ["--on-conflict", "variable=replace", "--on-conflict", "dag_run=replace"];
  const planned = await environment.plan(flags);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);
  const again = await environment.plan();

  expect(stopped.blockers.map((each) => each.code)).toEqual(["TARGET_HAS_RUNS", "TARGET_HAS_OTHER_OBJECT"]);
  expect(planned.blockers).toEqual([]);
  expect(planned.finding("TARGET_HAS_RUNS")).toMatchObject({ severity: "warning", count: 1 });
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  expect(again.blockers).toEqual([]);
  const [there] = await target.query(
    `select r.id, r.state, r.logical_date > '2020-01-01' as dated,
       (select count(*)::int from task_instance t where t.run_id = r.run_id and t.dag_id = r.dag_id) as tasks,
       (select count(*)::int from task_instance where task_id = 'theirs') as theirs,
       (select count(*)::int from xcom x where x.run_id = r.run_id and x.dag_id = r.dag_id and x.dag_run_id <> r.id) as strays,
       (select count(*)::int from dag_run_note n where n.dag_run_id = r.id) as notes
     from dag_run r where r.dag_id = 'cw_scheduled' and r.run_id = '${id}'`,
  );
  expect(there).toEqual({
    id: 5000,
    state: "success",
    dated: true,
    tasks: run?.tasks,
    theirs: 0,
    strays: 0,
    notes: run?.notes,
  });
});

test("two sources go into one target one after the other, each verified against its own", async () => {
  await using first = await aMigratedEnvironment();
  await using second = await anEnvironment();
  const tables = await second.source.query<{ name: string; column: string }>(
    `select table_name as name, column_name as column from information_schema.columns
     where table_schema = 'public' and column_name in ('dag_id', 'source_dag_id', 'target_dag_id', 'root_dag_id', 'parent_dag_id')`,
  );
  const renames = tables.map((each) => `update "${each.name}" set ${each.column} = 'other_' || ${each.column}`);
  await second.source.query(
    `set session_replication_role = replica; ${renames.join("; ")}; reset session_replication_role;
     update connection set host = 'other.example.com' where conn_id = 'seed_full'`,
  );
  const { TARGET_DATABASE_URL = "", TARGET_FERNET_KEY = "" } = first.variables;
  const env = { TARGET_DATABASE_URL, TARGET_FERNET_KEY };

  const stopped = await second.plan([], { env });
  const planned = await second.plan(["--on-conflict", "connection=keep-target"], { env });
  const applied = await second.apply([], { env });
  const verified = [await first.run(["verify"]), await second.run(["verify"], { env })];

  expect(stopped.blockers.map((each) => each.subjects)).toEqual([["connection:seed_full"]]);
  expect(planned.blockers).toEqual([]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  for (const each of verified) expect(each.code, each.text.slice(0, 2000)).toBe(0);
  const [counts] = await first.target.query(
    `select count(*) filter (where dag_id like 'other_%')::int as theirs, count(*) filter (where dag_id not like 'other_%')::int as ours from dag_run`,
  );
  expect(counts).toEqual({ theirs: 28, ours: 28 });
});

test("a choice for what has none of its own is refused with those that have", async () => {
  await using environment = await anEnvironment();

  const unknown = await environment.plan(["--on-conflict", "task_instance=replace"]);
  const malformed = await environment.plan(["--on-conflict", "variable=maybe"]);

  expect(unknown).toMatchObject({ code: 1, problem: { code: "CONFLICT_CHOICE_UNKNOWN" } });
  expect(unknown.problem?.next.join()).toContain("dag_run");
  expect(malformed.code).not.toBe(0);
  expect(malformed.text).toContain("keep-target");
});
