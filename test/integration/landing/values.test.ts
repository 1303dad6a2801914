import { expect, test } from "vitest";
import { aStaging } from "../../support/a-landing.ts";
import { aSqlite, type TestSqlite } from "../../support/a-sqlite.ts";
import { aLandingEnvironment } from "../../support/landing-environment.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

/** Puts a variable with a raw value into the file: `sql` is an SQL expression. */
function aVariable({ database }: TestSqlite, key: string, sql: string): void {
  database.exec(`insert into variable (key, val, description, is_encrypted) values ('${key}', 'x', ${sql}, 0)`);
}

test("tells every value that Postgres can not keep, by table, column and key, and never the value", async () => {
  await using sqlite = await aSqlite();
  await using staging = await aStaging();
  aVariable(sqlite, "nul", "'se' || char(0) || 'cret'");
  aVariable(sqlite, "not utf-8", "cast(x'736563ff726574' as text)");
  aVariable(sqlite, "fine", "'U+FFFD is a character: �, and so is 😀'");
  sqlite.database.exec(`
    insert into dag (dag_id, max_active_tasks, max_consecutive_failed_dag_runs, has_task_concurrency_limits, is_paused, next_dagrun, dataset_expression)
      values ('paused twice', 1, 0, 0, 2, null, null), ('no such day', 1, 0, 0, 1, '2025-02-29 00:00:00.000000', null),
        ('no json', 1, 0, 0, 0, null, '{"secret": NaN}'), ('many', 'secret', 0, 0, 0, null, '12'), ('fine', 1, 0, 0, 0, '2025-02-28 00:00:00.000001', '12');
    insert into slot_pool (pool, slots, include_deferred) values ('far', 3000000000, 0);
    insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values ('${"c".repeat(251)}', 'x', 0, 0)`);

  const { findings } = await staging.land(sqlite.url);

  const told = findings.map(({ code, severity, subjects, what }) => `${severity} ${code} ${subjects?.join()}: ${what}`);
  expect(told.map((each) => each.replaceAll(/\(.*\)$/g, "").trim()).sort()).toEqual(
    [
      `connection · ${"c".repeat(120)}…: 1 value of connection.conn_id can not be kept by Postgres: it is longer than 250 characters`,
      "dag · many: 1 value of dag.max_active_tasks can not be kept by Postgres: it is no whole number",
      "dag · no json: 1 value of dag.dataset_expression can not be kept by Postgres: it is no JSON",
      "dag · no such day: 1 value of dag.next_dagrun can not be kept by Postgres: it is no time that exists, to the microsecond",
      "dag · paused twice: 1 value of dag.is_paused can not be kept by Postgres: it is neither 0 nor 1",
      "slot_pool · far: 1 value of slot_pool.slots can not be kept by Postgres: it is beyond 32 bits",
      "variable · nul: 1 value of variable.description can not be kept by Postgres: it holds U+0000, which Postgres can not keep in a text",
      "variable · not utf-8: 1 value of variable.description can not be kept by Postgres: it is not UTF-8",
    ]
      .map((each) => `blocker VALUE_NOT_LANDED ${each}`)
      .sort(),
  );
  expect(told.join()).not.toMatch(/se\0?cret/);
  expect(await staging.query("select dag_id, next_dagrun, dataset_expression::text as json from dag")).toEqual([
    { dag_id: "fine", next_dagrun: new Date("2025-02-28T00:00:00.000Z"), json: "12" },
  ]);
  expect(await staging.query("select key, description from variable")).toEqual([
    { key: "fine", description: "U+FFFD is a character: �, and so is 😀" },
  ]);
});

test("a value that can not be landed stops plan and apply before anything is written", async () => {
  await using sqlite = await aSqlite();
  await using environment = await aLandingEnvironment({ url: sqlite.url });
  aVariable(sqlite, "fine", "'fine'");
  const before = await environment.plan();
  aVariable(sqlite, "nul", "char(0)");

  const planned = await environment.plan(["-o", "second.plan.json"]);
  const applied = await environment.apply();

  expect(before.code, before.output).toBe(0);
  expect(planned.code).toBe(3);
  expect(planned.finding("VALUE_NOT_LANDED")?.subjects).toEqual(["variable · nul"]);
  expect(applied.problem?.code).toBe("LANDING_UNFIT");
  expect(await environment.target.query("select key from variable")).toEqual([]);
});

test("a value of a table that is not copied is for the record", async () => {
  await using sqlite = await aSqlite();
  await using staging = await aStaging();
  sqlite.database.exec("insert into import_error (filename, stacktrace) values ('a.py', 'x' || char(0))");

  const { findings } = await staging.land(sqlite.url);

  expect(findings.map(({ code, severity }) => [code, severity])).toEqual([["VALUE_NOT_LANDED", "note"]]);
});

test("keeps columns and tables that no Airflow has", async () => {
  await using sqlite = await aSqlite();
  await using staging = await aStaging();
  sqlite.database.exec(`
    alter table variable add column owner_of_ours varchar(10);
    insert into variable (key, val, is_encrypted, owner_of_ours) values ('a', 'b', 0, 'somebody with a long name');
    create table of_ours (id integer, bytes blob, note); insert into of_ours values (1, x'ff00', 2.5)`);

  const { findings } = await staging.land(sqlite.url);

  expect(findings).toEqual([]);
  expect(await staging.query("select owner_of_ours from variable")).toEqual([
    { owner_of_ours: "somebody with a long name" },
  ]);
  expect(await staging.query("select id, bytes, note from of_ours")).toEqual([
    { id: "1", bytes: Buffer.from("ff00", "hex"), note: "2.5" },
  ]);
});

onEachServer((at) => {
  test("finds ids that MariaDB takes for the same and Postgres does not", async () => {
    const server = at();
    await using mariadb = await aMariadb(server);
    await using staging = await aStaging();
    const run = `insert into dag_run (id, dag_id, run_id, execution_date, run_type, clear_number, log_template_id) values (1, 'etl', 'r', '2025-01-01', 'manual', 0, 1)`;
    const task = (id: string, pool: string) =>
      `insert into task_instance (dag_id, task_id, run_id, map_index, pool, pool_slots) values ('etl', '${id}', 'r', -1, '${pool}', 1)`;
    await mariadb.query(`${run}; ${task("load", "Default_Pool")}; ${task("Load", "default_pool")}`);

    const { findings } = await staging.land(mariadb.url);

    expect(findings.map(({ code, severity, subjects }) => [code, severity, subjects])).toEqual([
      ["IDS_DIFFER_IN_CASE", "blocker", ['"Default_Pool" and "default_pool"']],
    ]);
  });

  test("reads MariaDB's own forms: microseconds in UTC, numbers of 32 bits, three-byte texts, NULLs and empty values", async () => {
    const server = at();
    await using mariadb = await aMariadb(server);
    await using staging = await aStaging();
    await mariadb.query(
      `
    set time_zone = '+02:00'; alter table variable modify val mediumtext character set utf8mb3;
    insert into variable (\`key\`, val, description, is_encrypted) values ('ü', 'naïve €', '', 1), ('n', null, null, 0);
    insert into job (id, state, latest_heartbeat, hostname) values (7, '😀', '2025-06-01 02:00:00.000001', 'h');
    insert into task_fail (id, task_id, dag_id, run_id, map_index, duration) values (1, 't', 'd', 'r', -1, 2147483647)`.replace(
        "insert into task_fail",
        "set foreign_key_checks = 0; insert into task_fail",
      ),
    );

    await staging.land(mariadb.url);

    expect(await staging.query("select key, val, description, is_encrypted from variable order by id")).toEqual([
      { key: "ü", val: "naïve €", description: "", is_encrypted: true },
      { key: "n", val: null, description: null, is_encrypted: false },
    ]);
    expect(await staging.query("select state, latest_heartbeat::text as at from job")).toEqual([
      { state: "😀", at: "2025-06-01 00:00:00.000001+00" },
    ]);
    expect(await staging.query("select duration from task_fail")).toEqual([{ duration: 2147483647 }]);
  });
});
