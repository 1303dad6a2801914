import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { CutoverLedger } from "../../src/engine/cutover/cutover-ledger.ts";
import { probeBoth } from "../../src/engine/plan/make-plan.ts";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";
import { parseOnTarget } from "../support/parse-on-target.ts";

const DAG = "cw_scheduled";

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

const resources = new AsyncDisposableStack();
let environment: Environment;

beforeAll(async () => {
  environment = resources.use(await anEnvironment());
  await migrate(environment);
  // Its newest run ends on the fourth of March; two days pass while it is switched.
  await parseOnTarget(environment, DAG, { catchup: false, nextDay: "2024-03-06" });
  await recordSwitch(environment, ["2024-03-04T10:00:00Z", "2024-03-06T10:00:00Z"]);
});
afterAll(() => resources.disposeAsync());

const args = ["continuity", "--dag", DAG, "--since", "2024-01-01", "--add-missed"];
const QUEUED = "select run_id, run_type from dag_run where state = 'queued' order by 1";

test("runs that were missed at a switch are listed, and nothing is added unasked", async () => {
  const { code, text, output } = await environment.run(args);

  expect(code, output).toBe(0);
  expect(text).toContain("cw_scheduled 2024-03-04T00:00:00.000000Z on the target");
  expect(text).toContain("Nothing was added. Add 2 of them: the same command with --yes");
  expect(await environment.target.query(QUEUED)).toEqual([]);
});

test("they are added on request, once, with a line in the record for each", async () => {
  const added = await environment.run([...args, "--yes", "--json"]);
  const again = await environment.run([...args, "--yes", "--json"]);

  const days = ["2024-03-04", "2024-03-05"].map((day) => ({ dagId: DAG, logicalDate: `${day}T00:00:00.000000Z` }));
  expect([added.code, added.json["added"]], added.output).toMatchObject([0, days]);
  // 3.x names a run after the end of its interval.
  const runs = ["2024-03-05", "2024-03-06"].map((day) => ({
    run_id: `scheduled__${day}T00:00:00+00:00`,
    run_type: "scheduled",
  }));
  expect(await environment.target.query(QUEUED)).toEqual(runs);
  expect([again.code, again.json["missed"], again.json["added"]]).toEqual([0, [], []]);
  const record = await environment.target.query("select 1 from crosswind.cutover_event where what like 'the run of%'");
  expect(record).toHaveLength(2);
});
