import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { CutoverLedger } from "../../src/engine/cutover/cutover-ledger.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";

const DAG = "cw_scheduled";

/** As the target would have parsed it: daily, without catchup, and with what it says that it runs next. */
async function parseOnTarget({ source, target }: Environment, nextDay: string): Promise<void> {
  const [dag] = await source.query<{ data: { dag: object } }>(
    "select (data::jsonb #- '{dag,end_date}') as data from serialized_dag where dag_id = $1",
    [DAG],
  );
  const version = randomUUID();
  await target.query(
    "insert into dag_version (id, version_number, dag_id, created_at, last_updated) values ($1, 1, $2, now(), now())",
    [version, DAG],
  );
  await target.query(
    `insert into serialized_dag (id, dag_id, data, dag_hash, dag_version_id, created_at, last_updated)
     values ($1, $2, $3, 'hash', $4, now(), now())`,
    [randomUUID(), DAG, JSON.stringify({ __version: 3, dag: { ...dag?.data.dag, catchup: false } }), version],
  );
  await target.query(
    `update dag set is_stale = false, is_paused = false, next_dagrun = $2::timestamptz, next_dagrun_data_interval_start = $2::timestamptz,
       next_dagrun_data_interval_end = $2::timestamptz + interval '1 day', next_dagrun_create_after = $2::timestamptz + interval '1 day' where dag_id = $1`,
    [DAG, `${nextDay}T00:00:00Z`],
  );
}

/** The record of a switch to the target, as the switch itself writes it, at other times. */
async function recordSwitch({ source: from, target: to }: Environment, [drained, live]: readonly [string, string]) {
  await using source = openPostgres({ url: new Secret(from.url), name: "source", readOnly: true });
  await using target = openPostgres({ url: new Secret(to.url), name: "target" });
  const { identity } = (await probeBoth({ source, target })).source.facts;
  const ledger = await CutoverLedger.open(target, { source: identity, who: "ann" });
  const kept = { dagId: DAG, direction: "forward", wasPaused: false } as const;
  for (const [state, at] of [
    ["draining", drained],
    ["live", live],
  ] as const) {
    await ledger.write({ ...kept, state, ...(state === "live" ? { liveAt: live } : {}) }, "test");
    await to.query(
      "update crosswind.cutover_event set at = $1 where id = (select max(id) from crosswind.cutover_event)",
      [at],
    );
  }
}

test("runs that were missed at a switch are listed, added once on request, and then the ticks have run", async () => {
  await using environment = await anEnvironment();
  await migrate(environment);
  const { target } = environment;
  // Its newest run ends on the fourth of March; two days pass while it is switched.
  await parseOnTarget(environment, "2024-03-06");
  await recordSwitch(environment, ["2024-03-04T10:00:00Z", "2024-03-06T10:00:00Z"]);
  const args = ["continuity", "--dag", DAG, "--since", "2024-01-01", "--add-missed"];

  const listed = await environment.run([...args, "--json"]);
  const untouched = await target.query("select 1 from dag_run where state = 'queued'");
  const shown = await environment.run(args);
  const added = await environment.run([...args, "--yes", "--json"]);
  const again = await environment.run([...args, "--yes", "--json"]);

  const days = ["2024-03-04", "2024-03-05"].map((day) => ({ dagId: DAG, logicalDate: `${day}T00:00:00.000000Z` }));
  expect(listed.json["missed"], listed.output).toMatchObject([{ dagId: DAG, owner: "target", runs: days }]);
  expect([listed.code, untouched, listed.json["added"]]).toEqual([0, [], []]);
  expect(shown.text).toContain("Nothing was added. Add 2 of them: the same command with --yes");
  expect(added.json["added"], added.output).toMatchObject(days);
  expect(added.code).toBe(0);
  const runs = await target.query("select run_id, run_type, state from dag_run where state = 'queued' order by 1");
  expect(runs).toEqual(
    ["2024-03-05", "2024-03-06"].map((day) => ({
      run_id: `scheduled__${day}T00:00:00+00:00`,
      run_type: "scheduled",
      state: "queued",
    })),
  );
  expect([again.code, again.json["missed"]]).toEqual([0, []]);
  const record = await target.query("select who, what from crosswind.cutover_event where what like 'the run of%'");
  expect(record).toHaveLength(2);
});
