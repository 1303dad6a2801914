import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabaseControl } from "../../src/connectors/airflow-database/database-control.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Gate, type GateInput, override, readGate, redConditions } from "../../src/engine/cutover/gate.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";
import { parseOnTarget, reviveBoth } from "../support/parse-on-target.ts";

const DAG = "cw_scheduled";
const resources = new AsyncDisposableStack();
let environment: Environment;

beforeAll(async () => {
  environment = resources.use(await anEnvironment());
  await migrate(environment);
  // Recorded with an end date that has passed: nothing would be due.
  await reviveBoth(environment);
  for (const dag of [DAG, "cw_consumer"]) await parseOnTarget(environment, dag);
});
afterAll(() => resources.disposeAsync());

async function gateOf(dags: readonly string[], differences: Partial<GateInput> = {}): Promise<Gate> {
  await using opened = new AsyncDisposableStack();
  const open = (name: "source" | "target") =>
    openPostgres({ url: new Secret(environment[name].url), name, readOnly: true });
  const [source, target] = [opened.use(open("source")), opened.use(open("target"))];
  const probed = await probeBoth({ source, target });
  const control = (side: "source" | "target", release: string) =>
    openDatabaseControl({ side, database: open(side), release });
  const [sourceSide, targetSide] = [probed.source.side, probed.target.side];
  return await readGate({
    source: opened.use(control("source", sourceSide.release)),
    target: opened.use(control("target", targetSide.release)),
    sourceSession: opened.use(await source.session()),
    targetSession: opened.use(await target.session()),
    sides: { sourceSide, targetSide, identity: probed.source.facts.identity },
    dags,
    now: () => new Date(),
    signal: AbortSignal.timeout(60_000),
    acceptsShift: () => false,
    ...differences,
  });
}

function states({ conditions }: Gate): Readonly<Record<string, string>> {
  return Object.fromEntries(conditions.map(({ id, state }) => [id, state]));
}

/** The condition of a gate, after a change of one side and before it is taken back. */
async function conditionAfter(
  id: string,
  side: "source" | "target",
  [change, undo]: readonly [change: string, undo: string],
) {
  await environment[side].query(change);
  try {
    const gate = await gateOf([DAG]);
    return { found: gate.conditions.find((each) => each.id === id), red: redConditions(gate).map((each) => each.id) };
  } finally {
    await environment[side].query(undo);
  }
}

test("the gate is open where both sides are ready, and the next run follows the copied history", async () => {
  const gate = await gateOf([DAG]);

  expect(redConditions(gate)).toEqual([]);
  expect(states(gate)).toEqual({
    ...Object.fromEntries(gate.conditions.map(({ id }) => [id, "green"])),
    "secrets-used": "note",
  });
  expect(gate.previews[0]?.chosen).toMatchObject({
    verdict: "follows",
    runId: "scheduled__2024-03-05T00:00:00+00:00",
    switches: { cronDataIntervals: true },
  });
});

const AS_DAG = `where dag_id = '${DAG}'`;
const triggers = `update serialized_dag set data = jsonb_set(data::jsonb, '{dag,timetable}', '{"__type":
  "airflow.timetables.trigger.CronTriggerTimetable", "__var": {"expression": "0 0 * * *", "timezone": "UTC", "interval": 0.0,
  "run_immediately": false}}')::json ${AS_DAG}`;
const intervals = `update serialized_dag set data = jsonb_set(data::jsonb, '{dag,timetable}', '{"__type":
  "airflow.timetables.interval.CronDataIntervalTimetable", "__var": {"expression": "0 0 * * *", "timezone": "UTC"}}')::json ${AS_DAG}`;
const task = (pool: string) =>
  `update serialized_dag set data = jsonb_set(data::jsonb, '{dag,tasks,0,__var,pool}', '"${pool}"')::json ${AS_DAG}`;
const setting = (path: string, value: string) =>
  `update serialized_dag set data = jsonb_set(data::jsonb, '{dag,${path}}', '${value}')::json ${AS_DAG}`;

const flag = (column: string, value: string) => `update dag set ${column} = ${value} ${AS_DAG}`;

/** A run of another date that is otherwise as the one of the first of March. */
function anotherRun(dateColumn: string, differences: Readonly<Record<string, string>>): string {
  const fields = JSON.stringify({ id: 999_999, [dateColumn]: "2020-01-01T00:00:00Z", ...differences });
  return `insert into dag_run select (jsonb_populate_record(r, '${fields}')).* from dag_run r ${AS_DAG} and ${dateColumn} = '2024-03-01'`;
}

const WITHOUT_IT = "delete from dag_run where id = 999999";

/** A condition, what is wrong, the side that is changed, the change, and how it is taken back. */
type Change = readonly [id: string, what: string, side: "source" | "target", change: string, undo: string];

const CHANGES: readonly Change[] = [
  ["parsed", "the target has not parsed it", "target", flag("is_stale", "true"), flag("is_stale", "false")],
  [
    "parsed",
    "its file has an import error",
    "target",
    flag("has_import_errors", "true"),
    flag("has_import_errors", "false"),
  ],
  ["paused-on-target", "it runs there already", "target", flag("is_paused", "false"), flag("is_paused", "true")],
  ["same-settings", "the zone differs", "target", setting("timezone", '"Europe/Berlin"'), setting("timezone", '"UTC"')],
  ["same-settings", "catchup differs", "target", setting("catchup", "false"), setting("catchup", "true")],
  [
    "same-settings",
    "the start differs",
    "target",
    setting("start_date", "1709251201"),
    setting("start_date", "1709251200"),
  ],
  ["same-settings", "the runs at once differ", "target", flag("max_active_runs", "4"), flag("max_active_runs", "3")],
  ["interval-switches", "the target's are off", "target", triggers, intervals],
  [
    "no-active-backfill",
    "one is active",
    "source",
    anotherRun("execution_date", { run_id: "backfill__x", run_type: "backfill", state: "running" }),
    WITHOUT_IT,
  ],
  ["pools", "the target lacks one", "source", task("nobody_has_it"), task("default_pool")],
  [
    "scheduler-heartbeat",
    "the target's is two minutes old",
    "target",
    "update job set latest_heartbeat = now() - interval '2 minutes'",
    "update job set latest_heartbeat = now() + interval '1 hour'",
  ],
  [
    "history-copied",
    "another source was copied",
    "target",
    "update crosswind.run set source = 'x' || source",
    "update crosswind.run set source = substr(source, 2)",
  ],
];

test.for(CHANGES)("%s is red where %s", async ([id, , side, change, undo]) => {
  const { found } = await conditionAfter(id, side, [change, undo]);

  expect(found).toMatchObject({ id, state: "red" });
  expect(found?.next.length).toBeGreaterThan(0);
});

test("a shift of labels is told with both values of ds", async () => {
  const { found, red } = await conditionAfter("interval-switches", "target", [triggers, intervals]);

  expect(red).toContain("interval-switches");
  expect(found?.details[0]).toContain("(ds 2024-03-05), not 2024-03-04T00:00:00+00:00 (ds 2024-03-04)");
});

test("a shift of labels is told of a DAG without history at one tick of both sides", async () => {
  const runs = "dag_id = 'cw_scheduled'";
  await environment.source.query(`update dag_run set run_type = 'manual' where ${runs}`);
  const { found } = await conditionAfter("interval-switches", "target", [triggers, intervals]);
  await environment.source.query(`update dag_run set run_type = 'scheduled' where ${runs}`);

  expect(found?.details[0]).toContain("the run at 2024-03-02T00:00:00+00:00");
  expect(found?.details[0]).toContain("(ds 2024-03-02), not 2024-03-01T00:00:00+00:00 (ds 2024-03-01)");
});

test("a shift of labels may be accepted by the DAG's owner", async () => {
  await environment.target.query(triggers);
  const gate = await gateOf([DAG], { acceptsShift: (dagId) => dagId === DAG });
  await environment.target.query(intervals);

  expect(gate.conditions.find(({ id }) => id === "interval-switches")).toMatchObject({ state: "note", dags: [DAG] });
  expect(redConditions(gate)).toEqual([]);
});

test("a red condition is overridden by a named person with a reason, and no other", async () => {
  const gate = await gateOf(["nobody_has_it"]);

  const overridden = override(gate, [{ condition: "dag-on-both-sides", reason: "CHG-4411" }], "ann");

  expect(redConditions(overridden)).toEqual([]);
  expect(overridden.conditions.filter((each) => each.override !== undefined)).toMatchObject([
    { id: "dag-on-both-sides", state: "overridden", override: { who: "ann", reason: "CHG-4411" } },
  ]);
  const noReason = [{ condition: "clocks", reason: " " }];
  expect(() => override(gate, noReason, "ann")).toThrow(/^CUTOVER_REASON_MISSING/);
  expect(() => override(gate, [{ condition: "mood", reason: "x" }], "ann")).toThrow(/^CUTOVER_CONDITION_UNKNOWN/);
});

test("an id that an imported run has ends the scheduler, and closes the gate", async () => {
  const run = "scheduled__2024-03-05T00:00:00+00:00";
  const { found } = await conditionAfter("preview", "target", [
    anotherRun("logical_date", { run_id: run }),
    WITHOUT_IT,
  ]);

  expect(found).toMatchObject({ state: "red", dags: [DAG] });
  expect(found?.details[0]).toContain(run);
});

test("an event that a consumer has seen alone is told: it goes along", async () => {
  const { source } = environment;
  await source.query(
    "insert into dataset_dag_run_queue (dataset_id, target_dag_id, created_at) select id, 'cw_consumer', now() from dataset limit 1",
  );

  const gate = await gateOf([DAG, "cw_consumer"]);
  await source.query("delete from dataset_dag_run_queue");

  const found = gate.conditions.find(({ id }) => id === "pending-events");
  expect(found).toMatchObject({ state: "note", dags: ["cw_consumer"] });
  expect(found?.details[0]).toMatch(/^cw_consumer: \S/);
});

test("a DAG that others start is told with those that stay on the source", async () => {
  const gate = await gateOf(["cw_consumer"]);

  expect(gate.conditions.find(({ id }) => id === "whole-chains")).toMatchObject({
    state: "note",
    dags: ["cw_consumer"],
    details: expect.arrayContaining([expect.stringMatching(/cw_producer.*cw_consumer/)]),
    next: expect.arrayContaining([expect.stringMatching(/--dag cw_producer/)]),
  });
});

test("a DAG of one side alone closes the gate", async () => {
  const gate = await gateOf([DAG, "nobody_has_it"]);

  expect(redConditions(gate).map(({ id, dags }) => [id, dags])).toEqual([["dag-on-both-sides", ["nobody_has_it"]]]);
});

test("a DAG that the target has under another name, from the same file, is told with it", async () => {
  const { target } = environment;
  await target.query("update dag set is_stale = true where dag_id = $1", [DAG]);
  await target.query(
    `insert into dag select (jsonb_populate_record(d, '{"dag_id": "cw_renamed", "is_stale": false}')).* from dag d where dag_id = $1`,
    [DAG],
  );
  try {
    const gate = await gateOf([DAG]);

    expect(redConditions(gate).map(({ id }) => id)).toEqual(["parsed"]);
    expect(gate.conditions.find(({ id }) => id === "parsed")).toMatchObject({
      details: [expect.stringMatching(/^cw_scheduled: not parsed on the target yet, renamed\? .* cw_renamed$/)],
      next: expect.arrayContaining([expect.stringMatching(/give a renamed one its old id/)]),
    });
  } finally {
    await target.query("delete from dag where dag_id = 'cw_renamed'");
    await target.query("update dag set is_stale = false where dag_id = $1", [DAG]);
  }
});
