import { expect, test } from "vitest";
import { aSqlite } from "../../support/a-sqlite.ts";
import { anEnvironment } from "../../support/an-environment.ts";
import { aLandingEnvironment } from "../../support/landing-environment.ts";

/** Kills the command when a line of its progress says so. */
function killedAt(pattern: RegExp) {
  return {
    onStderrLine: (line: string, kill: (signal: NodeJS.Signals) => void) => {
      if (pattern.test(line)) kill("SIGKILL");
    },
  };
}

test("a plan that was killed while it landed is made from the start again", async () => {
  await using postgres = await anEnvironment();
  await using sqlite = await aSqlite(postgres.source.url);
  await using environment = await aLandingEnvironment({ url: sqlite.url });

  const killed = await environment.plan([], killedAt(/"landed".*"dag_run"/));
  const planned = await environment.plan();

  expect(killed.signal).toBe("SIGKILL");
  expect(planned.code, planned.output).toBe(0);
  const [runs] = await postgres.source.query<{ n: string }>("select count(*) as n from dag_run");
  expect(planned.entity("dag_run").sourceRows).toBe(Number(runs?.n));
});

test("an apply that was killed goes on from a source that has changed since, and both sides are equal", async () => {
  await using postgres = await anEnvironment();
  await using sqlite = await aSqlite(postgres.source.url);
  await using environment = await aLandingEnvironment({ url: sqlite.url });
  await environment.plan();

  const killed = await environment.apply([], killedAt(/"chunk".*"task_instance"/));
  const [one] = sqlite.database
    .prepare("select dag_id, run_id from dag_run where state = 'success' order by id limit 1")
    .all();
  sqlite.database
    .prepare("update task_instance set hostname = 'changed since' where dag_id = ? and run_id = ?")
    .run(String(one?.["dag_id"]), String(one?.["run_id"]));
  sqlite.database.exec("insert into log (event, dttm, extra) values ('since', '2026-01-01 00:00:00.000000', 'x')");
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(killed.signal).toBe("SIGKILL");
  expect(applied.code, applied.output).toBe(0);
  expect(verified.code, verified.output).toBe(0);
  const [changed] = await environment.target.query<{ n: string }>(
    "select count(*) as n from task_instance where hostname = 'changed since'",
  );
  expect(Number(changed?.n)).toBeGreaterThan(0);
  expect(await environment.target.query("select extra from log where event = 'since'")).toEqual([{ extra: "x" }]);
});
