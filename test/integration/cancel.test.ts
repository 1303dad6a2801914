import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { CutoverLedger } from "../../src/engine/cutover/cutover-ledger.ts";
import type { Environment } from "../support/an-environment.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

const DAG = "cw_mapped";

interface Left {
  readonly direction: "forward" | "back";
  readonly state: string;
}

/** A switch as a killed process leaves it: its DAG is paused on both sides. */
async function leave(environment: Environment, left: Left): Promise<void> {
  const { source, target } = environment;
  const [run] = await target.query<{ source: string }>("select source from crosswind.run limit 1");
  await using database = openPostgres({ url: new Secret(target.url), name: "target" });
  await CutoverLedger.open(database, { source: run?.source ?? "", who: "a killed process" });
  await source.query("update dag set is_paused = true where dag_id = $1", [DAG]);
  await target.query("update dag set is_paused = true where dag_id = $1", [DAG]);
  const kept = JSON.stringify({ dagId: DAG, wasPaused: false, liveXid: "100", ...left });
  await target.query(
    "insert into crosswind.cutover_dag (source, dag_id, state, kept) select source, $1, $2, $3 from crosswind.run limit 1",
    [DAG, left.state, kept],
  );
}

async function paused({ source, target }: Environment) {
  const sql = "select is_paused from dag where dag_id = $1";
  const [[here], [there]] = await Promise.all([source.query(sql, [DAG]), target.query(sql, [DAG])]);
  return { source: here?.["is_paused"], target: there?.["is_paused"] };
}

test.for([
  [{ direction: "forward", state: "draining" }, { source: false, target: true }, "restored"],
  [{ direction: "forward", state: "proving" }, { source: false, target: true }, "restored"],
  [{ direction: "back", state: "paused" }, { source: true, target: false }, "live"],
  // Its rows count on the target already: it is finished, because its unpause may have been sent.
  [{ direction: "forward", state: "live" }, { source: true, target: false }, "live"],
] as const)("cancel of a switch that was left %o", async ([left, expected, state]) => {
  await using environment = await aMigratedEnvironment();
  await leave(environment, left);

  const { code, json, output } = await environment.run(["cancel", "--json"]);

  expect(code, output).toBe(0);
  expect(json["dags"]).toMatchObject([{ dagId: DAG, state }]);
  expect(await paused(environment)).toEqual(expected);
});

test("cancel of nothing does nothing", async () => {
  await using environment = await aMigratedEnvironment();

  const { code, json, output } = await environment.run(["cancel", "--json"]);

  expect(code, output).toBe(0);
  expect(json["dags"]).toEqual([]);
});
