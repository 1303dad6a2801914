import { expect, test } from "vitest";
import { aMariadbTarget, aMariadbTargetEnvironment } from "../../support/mariadb-target.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

onEachServer((at) => {
  test("a plan names what MariaDB has no place for, and nothing is written", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target);
    await environment.source.query(`
    update dag_run set start_date = '1969-07-20Z', end_date = '2107-01-01Z' where id = (select min(id) from dag_run);
    insert into variable (key, val, is_encrypted) values ('same', 'a', false), ('SAME', 'b', false);
    update connection set description = repeat('ü', 40000) where id = (select min(id) from connection);
    insert into dataset (uri, extra, created_at, updated_at, is_orphaned) values ('s3://bucket/日', '{}', now(), now(), false);
    update task_instance set duration = 'NaN' where ctid = (select min(ctid) from task_instance where state = 'success')`);

    const planned = await environment.plan();

    expect(planned.code, planned.output).toBe(3);
    const said = planned.blockers.map(({ code, what }) => `${code} ${what}`);
    const has = (pattern: RegExp) =>
      expect(
        said.filter((each) => pattern.test(each)),
        said.join("\n"),
      ).not.toEqual([]);
    has(/VALUE_UNFIT_FOR_TARGET \d+ values of dag_run.start_date are times before 1970/);
    has(/VALUE_UNFIT_FOR_TARGET \d+ values of dag_run.end_date are times before 1970 or after (2038-01-19|2106-02-07)/);
    has(/VALUE_UNFIT_FOR_TARGET 1 values of connection.description are longer than the 65535 bytes/);
    has(/VALUE_UNFIT_FOR_TARGET 1 values of dataset.uri have characters that latin1/);
    has(/VALUE_UNFIT_FOR_TARGET 1 values of task_instance.duration are NaN/);
    has(/IDS_DIFFER_IN_CASE 1 values of variable.key differ only in case .*(same and SAME|SAME and same)/);
    expect(await target.query("select count(*) as n from dag_run")).toEqual([{ n: 0 }]);
  }, 120_000);
});
