import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { CutoverLedger } from "../../src/engine/cutover/cutover-ledger.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { anEnvironment, type Environment, migrate, type OpenDatabase, type Ran } from "../support/an-environment.ts";

const DAG = "cw_scheduled";
const resources = new AsyncDisposableStack();
let environment: Environment;

beforeAll(async () => {
  environment = resources.use(await anEnvironment());
  // Recorded with an end date that has passed: then the schedule owes nothing any more.
  await environment.source.query("update serialized_dag set data = (data::jsonb #- '{dag,end_date}')::json");
  // Recorded as a catch-up of years later: here they ran when they were due.
  await environment.source.query(
    "update dag_run set start_date = data_interval_end + interval '1 second' where dag_id = $1",
    [DAG],
  );
  await migrate(environment);
});
afterAll(() => resources.disposeAsync());

beforeEach(async () => {
  for (const side of ["source", "target"] as const)
    await environment[side].query("delete from dag_run where id >= 900000");
});

/** A run of a day that is otherwise as that of the first of March; `startedAt` tells a copy from a run of its own. */
async function addDay(database: OpenDatabase, day: string, { id, startedAt }: { id: number; startedAt: string }) {
  const column = database === environment.source ? "execution_date" : "logical_date";
  const start = `${day}T00:00:00Z`;
  const end = new Date(Date.parse(start) + 86_400_000).toISOString();
  const fields = {
    id,
    run_id: `scheduled__${day}`,
    [column]: start,
    data_interval_start: start,
    data_interval_end: end,
    start_date: startedAt,
  };
  await database.query(
    `insert into dag_run select (jsonb_populate_record(r, $1::jsonb)).* from dag_run r where dag_id = $2 and ${column} = '2024-03-01'`,
    [JSON.stringify(fields), DAG],
  );
}

async function check(args: readonly string[] = []): Promise<Ran> {
  return await environment.run(["continuity", "--dag", DAG, "--since", "2024-01-01", ...args]);
}

function dagOf({ json, output }: Ran): Readonly<Record<string, unknown>> {
  const [dag] = json["dags"] as readonly Readonly<Record<string, unknown>>[];
  if (dag === undefined) throw new Error(output);
  return dag;
}

test("copied runs are one run each: every tick ran once", async () => {
  const ran = await check(["--json"]);

  expect(ran.code, ran.output).toBe(0);
  expect(dagOf(ran)).toMatchObject({
    owner: "source",
    rule: "ticks",
    ticks: 3,
    ran: 3,
    timeline: "···",
    deviations: [],
  });
});

test("a tick that nobody ran is a gap, with exit code 3", async () => {
  await addDay(environment.source, "2024-03-05", { id: 900_001, startedAt: "2024-03-06T00:00:01Z" });

  const [shown, ran] = [await check(), await check(["--json"])];

  expect([shown.code, ran.code]).toEqual([3, 3]);
  expect(dagOf(ran)).toMatchObject({ counts: { gap: 1 }, timeline: "···✗·" });
  expect(shown.text).toContain("2024-03-05T00:00:00+00:00 never ran");
  expect(shown.text).toContain("1 of 5 ticks since 2024-01-01 00:00 did not run exactly once.");
});

test("a tick that both sides began for themselves is a double", async () => {
  await addDay(environment.source, "2024-03-04", { id: 900_001, startedAt: "2024-03-05T00:00:01Z" });
  await addDay(environment.target, "2024-03-04", { id: 900_001, startedAt: "2024-03-05T00:00:02Z" });

  const ran = await check(["--json"]);

  expect(ran.code).toBe(3);
  expect(dagOf(ran)).toMatchObject({ counts: { "both-sides": 1 }, timeline: "···‼" });
});

test("from the switch on runs are the target's, and one of the source is on the wrong side", async () => {
  await addDay(environment.target, "2024-03-04", { id: 900_001, startedAt: "2024-03-05T00:00:02Z" });
  const before = await check(["--json"]);
  await switchedAt("2024-03-04T12:00:00Z");
  const after = await check(["--json"]);
  await addDay(environment.source, "2024-03-05", { id: 900_002, startedAt: "2024-03-06T00:00:01Z" });
  const wrong = await check(["--json"]);

  expect([before.code, dagOf(before)["counts"]]).toEqual([3, { "wrong-side": 1 }]);
  expect([after.code, after.json["isContinuous"]], after.output).toEqual([0, true]);
  expect(dagOf(after)).toMatchObject({ owner: "target", timeline: "···▪" });
  expect([wrong.code, dagOf(wrong)["counts"]]).toEqual([3, { "wrong-side": 1 }]);
});

/** Writes the record of a switch as the switch itself does, at another time. */
async function switchedAt(at: string): Promise<void> {
  await using source = openPostgres({ url: new Secret(environment.source.url), name: "source", readOnly: true });
  await using target = openPostgres({ url: new Secret(environment.target.url), name: "target" });
  const { identity } = (await probeBoth({ source, target })).source.facts;
  const ledger = await CutoverLedger.open(target, { source: identity, who: "ann" });
  await ledger.write({ dagId: DAG, state: "live", direction: "forward", wasPaused: false }, "unpaused on the target");
  await environment.target.query("update crosswind.cutover_event set at = $1", [at]);
}

test("what is no time is refused", async () => {
  expect((await environment.run(["continuity", "--since", "yesterday"])).code).toBe(2);
});
