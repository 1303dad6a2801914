import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { anEnvironment, type Environment, type Planned } from "../support/an-environment.ts";

vi.setConfig({ testTimeout: 180_000 });

let shared: Environment;

beforeAll(async () => {
  shared = await anEnvironment();
  // A history of days is counted from now, and the recorded one only grows older.
  await shared.source.query(
    `insert into dag_run (dag_id, execution_date, start_date, end_date, state, run_id, external_trigger, run_type, log_template_id, clear_number)
       select 'cw_scheduled', date_trunc('hour', now()) - d * interval '1 day', now(), now(), 'success', 'manual__' || d, true, 'manual',
         (select max(id) from log_template), 0 from generate_series(1, 5) d;
     insert into task_instance (task_id, dag_id, run_id, map_index, state, try_number, pool, pool_slots, max_tries)
       select 'extract', dag_id, run_id, -1, 'success', 1, 'default_pool', 1, 0 from dag_run where run_id ~ '^manual__[1-5]$';
     insert into log (dttm, dag_id, task_id, event, run_id) select execution_date, dag_id, 'extract', 'of_recent', run_id
       from dag_run where run_id ~ '^manual__[1-5]$'`,
  );
});
afterAll(() => shared[Symbol.asyncDispose]());

/** Nothing is lost: every row of the source is copied or left behind for a reason. */
function expectAccounted(planned: Planned): void {
  expect(planned.plan?.entities.length).toBeGreaterThan(0);
  for (const { entity, sourceRows, toCopy, leftBehind } of planned.plan?.entities ?? []) {
    const left = leftBehind.reduce((sum, each) => sum + each.rows, 0);
    expect({ entity, accounted: toCopy + left }).toEqual({ entity, accounted: sourceRows });
    expect(leftBehind.every((each) => each.reason.length > 10)).toBe(true);
  }
}

const dagsOf = (planned: Planned) => planned.entity("dag_run");

describe("the counts of a plan", () => {
  test.for([
    [[]],
    [["--dag", "cw_*"]],
    [["--dag", "*", "--dag", "!seed_*"]],
    [["--dag", "seed_h?story"]],
    [["--history", "3d"]],
    [["--history", "1"]],
    [["--dag", "cw_*", "--history", "2", "--without", "variable:seed_text"]],
    [["--entity", "dag_run", "--entity", "xcom"]],
    [["--entity", "*", "--entity", "!log"]],
  ])("account for every row of the source: %s", async ([flags]) => {
    const planned = await shared.plan(flags);

    expect(planned.code, planned.output).toBe(0);
    expectAccounted(planned);
  });
});

test("patterns of DAGs include and exclude, later ones win, and what is left out is counted under its reason", async () => {
  const [all, chosen, without] = [
    await shared.plan(),
    await shared.plan(["--dag", "cw_*", "--dag", "!cw_out*", "--dag", "cw_outcomes"]),
    await shared.plan(["--dag", "!cw_*"]),
  ];
  const [row] = await shared.source.query<{ cw: number; others: number }>(
    `select count(*) filter (where dag_id like 'cw\\_%')::int as cw, count(*) filter (where dag_id not like 'cw\\_%')::int as others
     from dag_run where state in ('success', 'failed')`,
  );

  expect(dagsOf(chosen).toCopy).toBe(row?.cw);
  expect(dagsOf(without).toCopy).toBe(row?.others);
  expect(dagsOf(chosen).toCopy + dagsOf(without).toCopy).toBe(dagsOf(all).toCopy);
  expect(dagsOf(chosen).leftBehind.map((each) => each.reason)).toContain("of DAGs that are not selected");
});

test("a pattern that matches no DAG, and one that matches no kind of content, are refused", async () => {
  const refused = [await shared.plan(["--dag", "no_such_*"]), await shared.plan(["--entity", "no_such_*"])];

  expect(refused.map((each) => [each.code, each.problem?.code])).toEqual(refused.map(() => [1, "NOTHING_SELECTED"]));
});

test("objects to leave out that are not on the source are told, with what was probably meant", async () => {
  const without = ["variable:seed_txt", "variabel:seed_text", "connection:seed_full", "pool:no such pool at all"];

  const planned = await shared.plan(without.flatMap((each) => ["--without", each]));

  const finding = planned.finding("WITHOUT_UNKNOWN");
  expect(finding).toMatchObject({ severity: "warning", count: 3 });
  expect(finding?.subjects?.toSorted()).toEqual([
    "pool:no such pool at all",
    "variabel:seed_text",
    "variable:seed_txt",
  ]);
  expect(finding?.next.slice(0, -1).toSorted()).toEqual([
    "meant was probably: --without 'variable:seed_text'",
    "meant was probably: --without 'variable:seed_text'",
  ]);
  expect(planned.entity("variable").leftBehind).toEqual([]);
});

test("an object that a plan calls by several fields is left out by what the plan calls it", async () => {
  const planned = await shared.plan(["--without", "asset:seed-orphan · seed-orphan"]);

  expect(planned.entity("asset").leftBehind).toEqual([{ reason: "left out by name", rows: 1 }]);
});

describe("an apply copies what its plan counted", () => {
  test("the newest run of each DAG, with its children and its audit log, and no child of another run", async () => {
    await using environment = await anEnvironment();
    await environment.plan(["--history", "1"]);
    await environment.writeConfig(
      ["source", "target"]
        .flatMap((side) => [
          `${side}:`,
          `  database: \${env:${side.toUpperCase()}_DATABASE_URL}`,
          `  fernetKey: \${env:${side.toUpperCase()}_FERNET_KEY}`,
        ])
        .concat("state: ${env:STATE_DATABASE_URL}", 'select: { dags: ["cw_none"], history: 90d }')
        .join("\n"),
    );

    const applied = await environment.apply();

    expect(applied.code, applied.output).toBe(0);
    await expectAsPlanned(environment, applied.json);
    const runs = await environment.target.query("select dag_id from dag_run order by 1");
    const dags = await environment.source.query(
      "select distinct dag_id from dag_run where state in ('success', 'failed') order by 1",
    );
    expect(runs).toEqual(dags);
    expect(await environment.target.query(ORPHANS)).toEqual([{ n: 0 }]);
  });

  test("the runs of the last days, and the audit log of their time", async () => {
    const planned = await shared.plan(["--history", "3d", "--dag", "cw_*"]);
    const applied = await shared.apply();

    expect(applied.code, applied.output).toBe(0);
    expect(planned.entity("dag_run").toCopy).toBeGreaterThanOrEqual(2);
    await expectAsPlanned(shared, applied.json);
    expect(await shared.target.query("select run_id from dag_run where run_id ~ '^manual__[1-5]$' order by 1")).toEqual(
      [{ run_id: "manual__1" }, { run_id: "manual__2" }],
    );
    expect(await shared.target.query("select distinct run_id from log where event = 'of_recent' order by 1")).toEqual([
      { run_id: "manual__1" },
      { run_id: "manual__2" },
    ]);
    expect(await shared.target.query(ORPHANS)).toEqual([{ n: 0 }]);
  });
});

/** XComs and logged events whose run is not there; the others have foreign keys. */
const ORPHANS = `select count(*)::int as n from (select dag_id, run_id from xcom union all select dag_id, run_id from log where run_id is not null) c
  where not exists (select 1 from dag_run r where r.dag_id = c.dag_id and r.run_id = c.run_id)`;

async function expectAsPlanned(environment: Environment, summary: Readonly<Record<string, unknown>>): Promise<void> {
  const { readFile } = await import("node:fs/promises");
  const plan = JSON.parse(await readFile(`${environment.folder}/crosswind.plan.json`, "utf8")) as {
    readonly entities: readonly { readonly entity: string; readonly toCopy: number }[];
  };
  const copied = summary["entities"] as readonly { readonly entity: string; readonly rows: number }[];
  const byEntity = Object.fromEntries(copied.map((each) => [each.entity, each.rows]));
  const expected = Object.fromEntries(
    plan.entities
      .filter((each) => each.entity in byEntity || each.toCopy > 0)
      .map((each) => [each.entity, each.toCopy]),
  );
  expect(byEntity).toEqual(expected);
}
