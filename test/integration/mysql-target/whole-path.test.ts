import { expect, test } from "vitest";
import { parseFernetKeys } from "../../../src/airflow/codecs/index.ts";
import { stagingName } from "../../../src/databases/staging/staging.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { anEnvironment, migrate, type OpenDatabase } from "../../support/an-environment.ts";
import { compareWithMariadb } from "../../support/compare-mariadb.ts";
import { fitForMariadb } from "../../support/fit-for-mariadb.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { addressOf, aMariadbTarget, aMariadbTargetEnvironment } from "../../support/mariadb-target.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

/** Values that a careless way from one database to the other breaks. */
async function addHardValues(source: OpenDatabase): Promise<void> {
  const texts = [
    "",
    "NULL",
    "\\N",
    "\\",
    '"',
    '""',
    '","',
    'a"\nb",\r\n"c',
    "tab\tand\u0001control\u001f",
    "back\\slash \\n \\0 \\' '",
    "日本語 😀 \u{10ffff}",
    " leading and trailing ",
  ];
  for (const text of texts) {
    await source.query(
      "insert into log (dttm, event, extra, owner) values ('2025-03-01 10:00:00.123456Z', 'hard', $1, null)",
      [text],
    );
    await source.query("insert into variable (key, val, description, is_encrypted) values ($1, $2, $2, false)", [
      `hard ${texts.indexOf(text)}`,
      text,
    ]);
  }
  await source.query(`
    insert into log (dttm, event) values ('1970-01-01 00:00:01Z', 'first'), ('2038-01-19 03:14:07.499999Z', 'last'), ('2024-02-29 23:59:59.999999Z', 'leap');
    update dag_run set conf = '\\x00ff0a0d225c2c271a00'::bytea where id = (select min(id) from dag_run where state = 'success');
    update task_instance set duration = '-0' where ctid = (select min(ctid) from task_instance where state = 'success');
    update task_instance set duration = 0.1::real where ctid = (select max(ctid) from task_instance where state = 'success')`);
}

onEachServer((at) => {
  test("a copy to MariaDB equals the copy to a Postgres of the same release, value by value", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using mariadb = await aMariadbTargetEnvironment(target, { staging: "embedded" });
    await using postgres = await anEnvironment({ target: "airflow-2.10.5-empty" });
    await fitForMariadb(mariadb.source);
    await addHardValues(mariadb.source);
    const key = mariadb.variables["TARGET_FERNET_KEY"] ?? "";

    await migrate(mariadb);
    await migrate(postgres, { SOURCE_DATABASE_URL: mariadb.source.url, TARGET_FERNET_KEY: key });

    const keys = parseFernetKeys(new Secret(key));
    expect(await compareWithMariadb(postgres.target.url, target, keys)).toEqual([]);
    const [logs] = await target.query("select count(*) as n from log where event = 'hard'");
    expect(logs?.["n"]).toBe(12);
    // Applied once more, nothing is done; planned once more, everything is known for ours.
    const again = await mariadb.apply();
    expect([again.code, again.json["wasDone"]], again.output).toEqual([0, true]);
    const planned = await mariadb.plan();
    expect(planned.code, planned.output).toBe(0);
    expect(planned.entity("dag_run").alreadyThere).toBeGreaterThan(0);
  }, 240_000);

  test("a copy from MariaDB to MariaDB is proven", async () => {
    const server = at();
    await using postgres = await anEnvironment();
    await fitForMariadb(postgres.source);
    await using source = await aMariadb(server, postgres.source.url);
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target, { source: "nothing" });

    const env = { SOURCE_DATABASE_URL: source.url };
    await migrate(environment, env);

    const [there] = await target.query("select count(*) as n from task_instance");
    const [copied] = await source.query(
      "select count(*) as n from task_instance t join dag_run r using (dag_id, run_id) where r.state in ('success', 'failed')",
    );
    expect(there?.["n"]).toBe(copied?.["n"]);
    // Ended, nothing of ours stays: neither the ledger nor what was landed of both sides.
    const completed = await environment.run(["complete", "--yes", "--json"], { env });
    expect(completed.code, completed.output).toBe(0);
    expect(completed.json["removed"]).toEqual(["target"]);
    expect(completed.json["stagings"]).toBe(2);
    const names = [source, target].map(({ url }) => stagingName({ source: addressOf(url) }));
    const landed = "select datname from pg_database, unnest($1::text[]) name where starts_with(datname, name)";
    expect(await environment.state.query(landed, [names])).toEqual([]);
    expect(await target.query(`show databases like 'crosswind\\_${target.name}'`)).toEqual([]);
  }, 240_000);

  test("a copy from 2.10.5 to a 3.3.2 on MariaDB equals the copy to a 3.3.2 on Postgres", async () => {
    const server = at();
    await using target = await aMariadbTarget(server, { schema: "3.3.2" });
    await using mariadb = await aMariadbTargetEnvironment(target);
    await using postgres = await anEnvironment();
    await fitForMariadb(mariadb.source);
    const key = mariadb.variables["TARGET_FERNET_KEY"] ?? "";
    // The recorded XComs have one of more lists within each other than MariaDB's JSON can keep; MySQL's own JSON rounds numbers.
    const expected =
      server.product === "MySQL"
        ? {
            code: "TARGET_JSON_ROUNDED",
            what: 'dag_run.conf have numbers with more digits than the target\'s JSON keeps (64 bits): "21"',
          }
        : { code: "TARGET_JSON_TOO_DEEP", what: "xcoms · -1 · deep" };
    const planned = await mariadb.plan();
    expect(planned.code, planned.output).toBe(0);
    const refused = await mariadb.apply();
    expect(refused.problem?.code, refused.output).toBe(expected.code);
    expect(refused.problem?.what).toContain(expected.what);
    expect(await target.query("select count(*) as n from dag_run")).toEqual([{ n: 0 }]);
    if (server.product === "MySQL")
      await mariadb.source.query(
        `update dag_run set conf = null where id = 21;
         delete from xcom where key in ('beyond_64_bits', 'pickle_big', 'pickle_negative_big')`,
      );
    await mariadb.source.query("delete from xcom where key = 'deep'");

    await migrate(mariadb);
    await migrate(postgres, { SOURCE_DATABASE_URL: mariadb.source.url, TARGET_FERNET_KEY: key });

    const keys = parseFernetKeys(new Secret(key));
    expect(await compareWithMariadb(postgres.target.url, target, keys)).toEqual([]);
  }, 240_000);
});
