import { expect, test } from "vitest";
import { addRun } from "../../support/add-run.ts";
import { anEnvironment } from "../../support/an-environment.ts";

const DAG = "cw_scheduled";
const FIRST = "scheduled__2024-03-01T00:00:00+00:00";

test("two runs with one logical date block the plan, by their names; without one of them everything goes but what belongs to it", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  await addRun(source, { dag: DAG, run: "the_same_again", state: "success", like: { dag: DAG, run: FIRST } });
  await source.query("alter table dag_run drop constraint dag_run_dag_id_execution_date_key");
  await source.query(
    `update dag_run set execution_date = (select execution_date from dag_run where dag_id = $1 and run_id = $2)
     where dag_id = $1 and run_id = 'the_same_again'`,
    [DAG, FIRST],
  );

  const planned = await environment.plan();
  const refused = await environment.apply();
  const without = await environment.plan(["--without", `dag_run:${DAG} · the_same_again`]);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(planned.finding("ROWS_NOT_DISTINCT")).toMatchObject({
    severity: "blocker",
    subjects: [`dag_run:${DAG} · ${FIRST}`, `dag_run:${DAG} · the_same_again`],
  });
  expect(refused.problem?.code).toBe("PLAN_BLOCKED");
  expect(without.finding("ROWS_NOT_DISTINCT")).toBeUndefined();
  expect(applied.code, applied.output).toBe(0);
  expect(verified.code, verified.output).toBe(0);
  for (const table of ["dag_run", "task_instance", "xcom", "rendered_task_instance_fields", "log"]) {
    expect(await target.query(`select run_id from ${table} where run_id = 'the_same_again'`), table).toEqual([]);
    const rows = await source.query(`select 1 from ${table} where run_id = 'the_same_again'`);
    expect(rows.length, table).toBeGreaterThan(0);
  }
  const counted = without.entity("task_instance").leftBehind.map(({ reason }) => reason);
  expect(counted).toContain("of runs that are left out by name");
});
