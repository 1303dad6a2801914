import { describe, expect, test } from "vitest";
import type { Release } from "../../src/domain/release.ts";
import type { Row } from "../../src/ports/database.ts";
import { aSource } from "../support/a-source.ts";

type Values = Readonly<Record<string, unknown>>;

function column(rows: readonly Row[], name: string): readonly unknown[] {
  return rows.map((row) => row[name]);
}

function by(rows: readonly Row[], key: string, value: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(rows.map((row) => [String(row[key]), row[value]]));
}

const DATE = new Date("2024-05-06T07:08:09.123Z");
const run = {
  id: 7,
  dag_id: "sales",
  run_id: "scheduled__1",
  execution_date: DATE,
  run_type: "scheduled",
  state: "success",
};
const task = {
  dag_id: "sales",
  task_id: "load",
  run_id: "scheduled__1",
  map_index: -1,
  state: "success",
  try_number: 2,
};

describe("2.10.5 to 3.3.2", () => {
  test("types of runs and the time from which a run may run", async () => {
    const source = await aSource("2.10.5");
    const end = new Date("2024-05-07T00:00:00Z");
    await source.insert(
      "dag_run",
      { ...run, run_id: "a", data_interval_end: end },
      { ...run, run_id: "b", run_type: "dataset_triggered" },
      { ...run, run_id: "c", run_type: "manual" },
    );

    const rows = await source.on("3.3.2", "dag_run");

    expect(by(rows, "run_id", "run_type")).toEqual({ a: "scheduled", b: "asset_triggered", c: "manual" });
    expect(by(rows, "run_id", "run_after")).toEqual({ a: end, b: DATE, c: DATE });
    expect(column(rows, "logical_date")).toEqual([DATE, DATE, DATE]);
    expect(column(rows, "span_status")).toEqual(["not_started", "not_started", "not_started"]);
  });

  test("states that 3.x does not know are failures, no state stays none", async () => {
    const source = await aSource("2.10.5");
    await source.insert("dag_run", run);
    await source.insert(
      "task_instance",
      ...["shutdown", "sensing", "removed", "success", null].map((state, index) => ({
        ...task,
        map_index: index,
        state,
      })),
    );

    const rows = await source.on("3.3.2", "task_instance");

    expect(by(rows, "map_index", "state")).toEqual({ 0: "failed", 1: "failed", 2: "removed", 3: "success", 4: null });
  });

  test("a task instance's id is a UUID of version 7 that begins with its run's date and is its own", async () => {
    const source = await aSource("2.10.5");
    await source.insert("dag_run", run);
    await source.insert("task_instance", task, { ...task, map_index: 0 }, { ...task, task_id: "report" });

    const ids = column(await source.on("3.3.2", "task_instance"), "id").map(String);
    const again = column(await source.on("3.3.2", "task_instance"), "id");

    expect(again).toEqual(ids);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) {
      expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(DATE.getTime());
    }
  });

  test("notes and reschedules find their task instance, an earlier try has an id of its own", async () => {
    const source = await aSource("2.10.5");
    await source.insert("dag_run", run);
    await source.insert("task_instance", task);
    await source.insert("task_instance_history", { ...task, try_number: 1 });
    await source.insert("task_instance_note", { ...task, state: undefined, try_number: undefined, user_id: 3 });
    await source.insert("task_reschedule", { ...task, state: undefined, id: 5 });
    await source.insert("dag_run_note", { dag_run_id: 7, user_id: 3 });

    const [id] = column(await source.on("3.3.2", "task_instance"), "id");
    const notes = await source.on("3.3.2", "task_instance_note");
    const [earlier] = column(await source.on("3.3.2", "task_instance_history"), "task_instance_id");

    expect(column(notes, "ti_id")).toEqual([id]);
    expect(column(notes, "user_id")).toEqual(["3"]);
    expect(column(await source.on("3.3.2", "task_reschedule"), "ti_id")).toEqual([id]);
    expect(column(await source.on("3.3.2", "dag_run_note"), "dag_run_id")).toEqual([7]);
    expect(earlier).not.toBe(id);
    expect(String(earlier)).toMatch(/^.{14}7.{4}[89ab]/);
  });

  test("a dataset is an asset of the same name, a nameless event an empty one", async () => {
    const source = await aSource("2.10.5");
    await source.insert("dataset", { id: 4, uri: "s3://sales" });
    await source.insert("dataset_event", { id: 9, dataset_id: 4 });
    await source.insert("log", { id: 1, event: null, execution_date: DATE });

    const assets = await source.on("3.3.2", "asset");
    const events = await source.on("3.3.2", "asset_event");
    const logs = await source.on("3.3.2", "log");

    expect(assets).toMatchObject([{ name: "s3://sales", uri: "s3://sales", group: "asset" }]);
    expect(assets[0]).not.toHaveProperty("id");
    expect(events).toMatchObject([{ id: 9, asset_id: 4 }]);
    expect(logs).toMatchObject([{ event: "", logical_date: DATE }]);
  });

  test("every DAG comes paused and stale, a SubDAG and one that is gone but has runs, too", async () => {
    const source = await aSource("2.10.5");
    await source.insert(
      "dag",
      { dag_id: "sales", is_paused: false, is_active: true },
      { dag_id: "sales.part", is_subdag: true },
    );
    await source.insert("dag_run", { ...run, dag_id: "gone" });

    const dags = await source.on("3.3.2", "dag");

    expect(by(dags, "dag_id", "is_paused")).toEqual({ gone: true, sales: true, "sales.part": true });
    expect(by(dags, "dag_id", "is_stale")).toEqual({ gone: true, sales: true, "sales.part": true });
  });
});

test("the number of a waiting task's try is one more from 2.10 on, and one less on the way back", async () => {
  const waiting = ["scheduled", "queued", "deferred", "up_for_reschedule"];
  const states = [...waiting, "success", "failed", "running", "up_for_retry"];
  const tries = async (from: Release, to: Release) => {
    const source = await aSource(from);
    await source.insert("dag_run", run);
    await source.insert("task_instance", ...states.map((state) => ({ ...task, task_id: state, state, try_number: 1 })));
    return by(await source.on(to, "task_instance"), "state", "try_number");
  };
  const expected = (number: number) =>
    Object.fromEntries(states.map((state) => [state, waiting.includes(state) ? number : 1]));

  expect(await tries("2.9.3", "2.10.5")).toEqual(expected(2));
  expect(await tries("2.10.5", "2.9.3")).toEqual(expected(0));
  expect(await tries("2.10.5", "3.3.2")).toEqual(expected(1));
});

test("a task instance has the same id in 3.x whichever release it comes from", async () => {
  const { run_type: _, ...oldRun } = run;
  const { run_id: _run, map_index: _map, ...oldTask } = { ...task, execution_date: DATE };
  const idFrom = async (release: Release, rows: { readonly run: Values; readonly task: Values }) => {
    const source = await aSource(release);
    await source.insert("dag_run", rows.run);
    await source.insert("task_instance", rows.task);
    return column(await source.on("3.3.2", "task_instance"), "id");
  };

  const ids = [
    await idFrom("1.10.15", { run: oldRun, task: oldTask }),
    await idFrom("2.0.2", { run, task: oldTask }),
    await idFrom("2.2.5", { run, task: { ...oldTask, execution_date: undefined, run_id: task.run_id } }),
    await idFrom("2.11.0", { run, task }),
  ];

  expect(ids[0]).toHaveLength(1);
  expect(ids).toEqual([ids[0], ids[0], ids[0], ids[0]]);
});

test("rows of 1.10 find their run by its date, and those without one stay behind", async () => {
  const source = await aSource("1.10.15");
  const other = new Date("2024-01-01T00:00:00Z");
  const base = { dag_id: "sales", task_id: "load", execution_date: DATE };
  await source.insert("dag_run", { id: 7, dag_id: "sales", run_id: "backfill_2024", execution_date: DATE });
  await source.insert("dag_run", { id: 8, dag_id: "sales", run_id: null, execution_date: other });
  await source.insert("task_instance", base, { ...base, execution_date: new Date(0) });
  await source.insert(
    "xcom",
    { ...base, id: 1, key: "k", timestamp: DATE, value: Buffer.from("1") },
    { ...base, id: 2, key: "k", timestamp: DATE, value: Buffer.from("2") },
    { ...base, id: 3, key: "k", timestamp: other, value: Buffer.from("3") },
    { ...base, id: 4, key: null, timestamp: DATE },
    { ...base, id: 5, key: "gone", task_id: "gone", timestamp: DATE },
  );
  await source.insert(
    "connection",
    { id: 1, conn_id: "c", conn_type: null },
    { id: 2, conn_id: "c", conn_type: "ftp" },
  );

  expect(await source.on("2.10.5", "dag_run")).toMatchObject([{ run_id: "backfill_2024", run_type: "backfill" }]);
  expect(await source.on("2.10.5", "task_instance")).toMatchObject([
    { run_id: "backfill_2024", map_index: -1, pool: "x", pool_slots: 1 },
  ]);
  expect(await source.on("3.3.2", "xcom")).toMatchObject([
    { run_id: "backfill_2024", map_index: -1, dag_run_id: 7, key: "k", value: 2 },
  ]);
  expect(await source.on("3.3.2", "connection")).toMatchObject([{ conn_id: "c", conn_type: "generic" }]);
});

test("runs of 3.x without a date get one that no other run of their DAG has, and their tasks the same", async () => {
  const source = await aSource("3.3.2");
  const after = { dag_id: "sales", run_after: DATE, logical_date: null };
  const uuid = (digit: number) => `0190${digit}000-0000-7000-8000-000000000000`;
  await source.insert(
    "dag_run",
    { ...after, id: 1, run_id: "a", logical_date: DATE, run_type: "scheduled" },
    { ...after, id: 2, run_id: "b", run_type: "asset_triggered" },
    { ...after, id: 3, run_id: "c", run_type: "asset_materialization" },
    { ...after, id: 4, run_id: "d", dag_id: "other", run_type: "operator_triggered" },
  );
  await source.insert(
    "task_instance",
    { id: uuid(1), dag_id: "sales", task_id: "t", run_id: "c", state: "awaiting_input" },
    { id: uuid(2), dag_id: "sales", task_id: "mapped", run_id: "c", map_index: 0 },
  );
  await source.insert("task_instance_note", { ti_id: uuid(1), user_id: "ann", content: "why" });
  await source.insert("task_reschedule", { id: 1, ti_id: uuid(1) });

  const runs = await source.on("2.10.5", "dag_run");
  const older = await source.on("2.0.2", "dag_run");
  const dates = await source.on("2.0.2", "dag_run", "dag_id, run_id, execution_date::text as date");
  const tasks = await source.on("2.0.2", "task_instance", "task_id, state, execution_date::text as date");

  expect(by(runs, "run_id", "run_type")).toEqual({ a: "scheduled", b: "dataset_triggered", c: "manual", d: "manual" });
  expect(by(dates, "run_id", "date")).toEqual({
    a: "2024-05-06 07:08:09.123+00",
    b: "2024-05-06 07:08:09.123001+00",
    c: "2024-05-06 07:08:09.123002+00",
    d: "2024-05-06 07:08:09.123+00",
  });
  expect(tasks).toEqual([{ task_id: "t", state: null, date: "2024-05-06 07:08:09.123002+00" }]);
  expect(by(runs, "run_id", "external_trigger")).toEqual({ a: false, b: false, c: true, d: true });
  expect(by(older, "run_id", "run_type")).toEqual({ a: "scheduled", b: "manual", c: "manual", d: "manual" });
  expect(await source.on("2.10.5", "task_instance_note")).toMatchObject([
    { dag_id: "sales", task_id: "t", run_id: "c", map_index: -1, user_id: null },
  ]);
  expect(await source.on("2.10.5", "task_reschedule")).toMatchObject([{ task_id: "t", run_id: "c", try_number: 0 }]);
});

test("a scheduled run has the id that the target's own scheduler gives it, wherever it is named, and keeps any other", async () => {
  const recent = await aSource("3.3.2");
  const [named, kept] = ["scheduled__2024-05-06T08:00:00+00:00", "scheduled__by hand"];
  const at = { dag_id: "sales", run_type: "scheduled", run_after: "2024-05-06T08:00:00Z" };
  await recent.insert(
    "dag_run",
    { ...at, id: 1, run_id: named, logical_date: "2024-05-06T07:00:00.5Z" },
    { ...at, id: 2, run_id: kept, logical_date: "2024-05-06T09:00:00Z" },
  );
  await recent.insert("task_instance", {
    id: "01900000-0000-7000-8000-000000000000",
    dag_id: "sales",
    task_id: "t",
    run_id: named,
  });
  await recent.insert("log", { id: 1, dag_id: "sales", run_id: named, event: "seen" });
  const older = await aSource("3.0.6");
  await older.insert("dag_run", { ...at, id: 1, run_id: named, logical_date: "2024-05-06T07:00:00Z" });

  const byDate = "scheduled__2024-05-06T07:00:00.500000+00:00";
  for (const release of ["2.10.5", "3.0.6", "3.1.8"] as const) {
    expect(column(await recent.on(release, "dag_run"), "run_id")).toEqual([byDate, kept]);
    expect(column(await recent.on(release, "task_instance"), "run_id")).toEqual([byDate]);
    expect(column(await recent.on(release, "log"), "run_id")).toEqual([byDate]);
  }
  for (const release of ["3.2.2", "3.3.2"] as const)
    expect(column(await recent.on(release, "dag_run"), "run_id")).toEqual([named, kept]);
  // What a 3.0 or 3.1 holds, its own scheduler has named.
  for (const release of ["2.10.5", "3.0.6", "3.1.8", "3.3.2"] as const)
    expect(column(await older.on(release, "dag_run"), "run_id")).toEqual([named]);
});

test("a team keeps its members between 3.1, where it has an id, and 3.2, where it has a name", async () => {
  const old = await aSource("3.1.8");
  const id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  await old.insert("team", { id, name: "blue" });
  await old.insert("connection", { conn_id: "c", team_id: id });
  const recent = await aSource("3.2.2");
  await recent.insert("team", { name: "blue" });
  await recent.insert("connection", { conn_id: "c", team_name: "blue" });
  await recent.insert("dag_bundle", { name: "blue-dags" }, { name: "others" });
  await recent.insert("dag_bundle_team", { dag_bundle_name: "blue-dags", team_name: "blue" });

  const [made] = column(await recent.on("3.1.8", "team"), "id");

  expect(await old.on("3.2.2", "connection")).toMatchObject([{ team_name: "blue" }]);
  expect(column(await recent.on("3.1.8", "connection"), "team_id")).toEqual([made]);
  expect(column(await recent.on("3.1.8", "dag_bundle_team"), "team_id")).toEqual([made]);
  expect(column(await old.on("3.1.8", "team"), "id")).toEqual([made]);
  expect(await recent.on("3.3.2", "dag_bundle")).toEqual([{ name: "blue-dags" }]);
});

test("a backfill that is under way counts as complete, so that the target does not go on with it", async () => {
  const source = await aSource("3.3.2");
  await source.insert("backfill", { id: 1, dag_id: "sales", updated_at: DATE, completed_at: null });
  await source.insert("backfill_dag_run", { id: 1, backfill_id: 1, logical_date: null, partition_key: "p" });

  expect(await source.on("3.3.2", "backfill")).toMatchObject([{ completed_at: DATE }]);
  expect(await source.on("3.3.2", "backfill_dag_run")).toHaveLength(1);
  expect(await source.on("3.0.6", "backfill_dag_run")).toHaveLength(0);
});

test("the name of an event is cut to the 30 characters that a log up to 2.8 has room for", async () => {
  const source = await aSource("2.10.5");
  await source.insert("log", { id: 1, event: "e".repeat(60) });

  expect(column(await source.on("2.8.4", "log"), "event")).toEqual(["e".repeat(30)]);
  expect(column(await source.on("2.9.3", "log"), "event")).toEqual(["e".repeat(60)]);
});

test("of users whose names differ in case alone the oldest goes where names do not, with its roles", async () => {
  const source = await aSource("2.2.5");
  await source.insert("ab_user", { id: 4, username: "Ann", email: "a" }, { id: 9, username: "ann", email: "b" });
  await source.insert("ab_role", { id: 1, name: "Viewer" });
  await source.insert("ab_user_role", { user_id: 4, role_id: 1 }, { user_id: 9, role_id: 1 });

  expect(column(await source.on("3.3.2", "user"), "username")).toEqual(["Ann"]);
  expect(column(await source.on("3.3.2", "user_role"), "user_id")).toEqual([4]);
  expect(new Set(column(await source.on("2.0.2", "user"), "username"))).toEqual(new Set(["Ann", "ann"]));
});

test.for([
  ["2.10.5", "3.3.2", "Datasets", "Assets"],
  ["3.3.2", "2.10.5", "Assets", "Datasets"],
  ["2.10.5", "2.10.5", "Datasets", "Datasets"],
  ["2.10.5", "3.3.2", "Assets", "Datasets"],
] as const)("a permission of %s on %s: %s becomes %s", async ([from, to, name, expected]) => {
  const source = await aSource(from);
  await source.insert("ab_role", { id: 1, name: "analysts" });
  await source.insert("ab_permission", { id: 2, name: "can_read" });
  await source.insert("ab_view_menu", { id: 3, name });
  await source.insert("ab_permission_view", { id: 4, permission_id: 2, view_menu_id: 3 });
  await source.insert("ab_permission_view_role", { id: 5, permission_view_id: 4, role_id: 1 });

  expect(column(await source.on(to, "permission_resource"), "name")).toEqual([expected]);
});

test("roles of 1.10 go without their permissions where these are called otherwise", async () => {
  const source = await aSource("1.10.15");
  await source.insert("ab_role", { id: 1, name: "analysts" });
  await source.insert("ab_permission", { id: 2, name: "can_dag_read" });
  await source.insert("ab_view_menu", { id: 3, name: "sales" });
  await source.insert("ab_permission_view", { id: 4, permission_id: 2, view_menu_id: 3 });
  await source.insert("ab_permission_view_role", { permission_view_id: 4, role_id: 1 });
  const kinds = ["role", "permission_action", "permission_resource", "permission", "role_permission"];
  const rowsOn = async (target: Release) => {
    const counts: number[] = [];
    for (const kind of kinds) counts.push((await source.on(target, kind)).length);
    return counts;
  };

  expect(await rowsOn("2.10.5")).toEqual([1, 0, 0, 0, 0]);
  expect(await rowsOn("1.10.15")).toEqual([1, 1, 1, 1, 1]);
});
