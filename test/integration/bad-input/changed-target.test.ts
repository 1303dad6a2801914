import { expect, test } from "vitest";
import { anEnvironment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";
import { differencesToFreshCopy } from "../../support/fresh-copy.ts";

const RUN = "scheduled__2024-03-01T00:00:00+00:00";

test("a run that the target's own Airflow makes while it is copied is not overwritten: told by its key, and without it the apply goes on", async () => {
  await using environment = await anEnvironment();
  const { target } = environment;
  await environment.plan();
  let made: Promise<unknown> | undefined;
  const make = () =>
    target.query(
      `insert into dag_run (id, dag_id, run_id, logical_date, run_after, run_type, state, clear_number)
       values (900000, 'cw_scheduled', '${RUN}', '2024-03-01', now(), 'scheduled', 'success', 0)`,
    );

  const stopped = await environment.apply([], {
    onStderrLine: (line) => {
      if (line.includes('"phase":"prepare"')) made ??= make();
    },
  });
  await made;
  const [theirs] = await target.query(`select id, run_after is not null as kept from dag_run where id = 900000`);
  await target.query("delete from dag_run where id = 900000");
  const applied = await environment.apply();

  expect(stopped.code, stopped.output).toBe(1);
  expect(stopped.problem?.code).toMatch(/^COPY_/);
  expect(stopped.problem?.what).toContain("cw_scheduled");
  expectComplete(stopped);
  expect(theirs).toEqual({ id: 900000, kept: true });
  expect(applied.code, applied.output).toBe(0);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});
