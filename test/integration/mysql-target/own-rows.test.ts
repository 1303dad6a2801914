import { expect, test } from "vitest";
import type { Environment } from "../../support/an-environment.ts";
import { fitForMariadb } from "../../support/fit-for-mariadb.ts";
import type { MariadbServer } from "../../support/mariadb.ts";
import { aMariadbTarget, aMariadbTargetEnvironment } from "../../support/mariadb-target.ts";
import { onEachServer } from "../../support/mysql-servers.ts";
import type { CliOptions } from "../../support/run-cli.ts";

/** Stops the command at a line of its progress for as long as the work takes. */
function meanwhile(line: RegExp, work: () => Promise<unknown>): Pick<CliOptions, "onStderrLine"> {
  let isDone = false;
  return {
    onStderrLine: (text, send) => {
      if (isDone || !line.test(text)) return;
      isDone = true;
      send("SIGSTOP");
      void work().finally(() => send("SIGCONT"));
    },
  };
}

/** The target was read, the rows are put together, nothing is written yet. */
const PUT_TOGETHER = /"phase":"history"/;

async function expectProven(environment: Environment): Promise<void> {
  const planned = await environment.plan();
  expect(planned.code, planned.output).toBe(0);
  const applied = await environment.apply();
  expect(applied.code, applied.output).toBe(0);
  const verified = await environment.run(["verify", "--json"]);
  expect(verified.code, verified.output).toBe(0);
}

/** What stands in the way differs by how a product numbers rows, not by its version. */
onEachServer(tests, { one: "product" });

function tests(at: () => MariadbServer): void {
  test("a row that the target's own Airflow wrote meanwhile stops the copy, stays as it is, and the next plan goes around it", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target);
    await fitForMariadb(environment.source);
    await environment.plan();

    const stopped = await environment.apply(
      [],
      meanwhile(PUT_TOGETHER, () => target.query("insert into log (event, extra) values ('own', 'meanwhile')")),
    );

    expect(stopped.problem, stopped.output).toMatchObject({ code: "UPLOAD_NUMBERS_TAKEN" });
    expect(stopped.problem?.what).toContain("wrote 1 row to log");
    expect(await target.query("select id, extra from log where event = 'own'")).toEqual([
      { id: 1, extra: "meanwhile" },
    ]);
    await expectProven(environment);
    expect(await target.query("select id, extra from log where event = 'own'")).toEqual([
      { id: 1, extra: "meanwhile" },
    ]);
  }, 240_000);

  test("an object under the same name that the target's own Airflow made meanwhile is never overwritten", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target);
    await fitForMariadb(environment.source);
    const [first] = await environment.source.query<{ key: string }>("select key from variable order by id limit 1");
    await environment.plan();

    const stopped = await environment.apply(
      [],
      meanwhile(PUT_TOGETHER, () =>
        target.query("insert into variable (id, `key`, val, is_encrypted) values (9000, ?, 'own', 0)", [first?.key]),
      ),
    );
    const planned = await environment.plan();

    expect(stopped.problem, stopped.output).toMatchObject({ code: "UPLOAD_CONFLICT" });
    expect(stopped.problem?.what).toContain("variable_key_uq");
    expect(planned.blockers.map(({ code }) => code)).toEqual(["TARGET_HAS_OTHER_OBJECT"]);
    expect(await target.query("select val from variable where id = 9000")).toEqual([{ val: "own" }]);
  }, 240_000);

  test("rows of a target in use keep their numbers, and those that it writes meanwhile get theirs beside the copy's", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target);
    await fitForMariadb(environment.source);
    await target.query(`
    insert into log (event) values ('before');
    update slot_pool set slots = 5, description = 'ours' where pool = 'default_pool';
    insert into dag_run (dag_id, execution_date, run_id, run_type, clear_number) values ('own', '2026-01-01', 'own', 'manual', 0)`);
    await environment.plan();

    const applied = await environment.apply(
      [],
      meanwhile(PUT_TOGETHER, () => target.query("insert into log (event) values ('meanwhile')")),
    );
    await target.query("insert into log (event) values ('after')");
    const verified = await environment.run(["verify", "--json"]);

    expect(applied.code, applied.output).toBe(0);
    expect(verified.code, verified.output).toBe(0);
    const logs = await target.query(
      "select id, event from log where event in ('before', 'meanwhile', 'after') order by id",
    );
    expect(logs.slice(0, 2)).toEqual([
      { id: 1, event: "before" },
      { id: 2, event: "meanwhile" },
    ]);
    const [copied] = await target.query(
      "select min(id) as low, max(id) as high from log where id > 2 and event <> 'after'",
    );
    expect(Number(copied?.["low"])).toBeGreaterThan(10_000);
    expect(Number(logs[2]?.["id"])).toBeGreaterThan(Number(copied?.["high"]) + 1000);
    expect(await target.query("select id from dag_run where dag_id = 'own'")).toEqual([{ id: 1 }]);
  }, 240_000);

  test("without a database for the ledger it is kept in staging, and a second plan knows the rows for ours", async () => {
    const server = at();
    await using target = await aMariadbTarget(server, { withoutLedger: true });
    await using environment = await aMariadbTargetEnvironment(target);
    await fitForMariadb(environment.source);

    await expectProven(environment);
    await environment.source.query(
      "update variable set val = 'changed', is_encrypted = false where id = (select min(id) from variable)",
    );
    await expectProven(environment);

    const databases = await target.query(
      "select schema_name as n from information_schema.schemata where schema_name = ?",
      [`crosswind_${target.name}`],
    );
    expect(databases).toEqual([]);
    const status = await environment.run(["status", "--json"]);
    expect(status.json["runs"], status.output).toHaveLength(2);
  }, 240_000);
}
