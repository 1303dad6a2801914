import { expect, test, vi } from "vitest";
import { openDatabaseControl } from "../../../src/connectors/airflow-database/database-control.ts";
import { openPostgres } from "../../../src/databases/postgres/postgres.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { anEnvironment, aRole } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

/** The statements of a finding, as a person would paste them. */
function grants(next: readonly string[]): readonly string[] {
  return next.filter((each) => each.startsWith("GRANT "));
}

test("a source role that may read some tables only is told every other one at once, and pasting the GRANTs is enough", async () => {
  await using environment = await anEnvironment();
  await using role = await aRole([environment.source]);
  await environment.source.query(
    `grant select on all tables in schema public to ${role.name};
     revoke select on connection, xcom, log from ${role.name}`,
  );
  const env = { SOURCE_DATABASE_URL: environment.source.urlAs(role.name, role.password) };

  const planned = await environment.plan([], { env });
  const forPeople = await environment.run(["plan"], { env });
  const [finding] = planned.blockers;
  const partly = await environment.plan(
    ["--entity", "*", "--entity", "!connection", "--entity", "!xcom", "--entity", "!log"],
    { env },
  );
  for (const grant of grants(finding?.next ?? [])) await environment.source.query(grant);
  const afterwards = await environment.plan([], { env });

  expect(planned.code, planned.output).toBe(3);
  expect(planned.blockers.map((each) => each.code)).toEqual(["ROLE_LACKS_RIGHTS"]);
  expect(finding?.subjects).toEqual(["public.connection", "public.log", "public.xcom"]);
  expect(finding?.next).toContain(`GRANT SELECT ON TABLE public.connection, public.log, public.xcom TO ${role.name};`);
  expectComplete(planned);
  expect(forPeople.text).toContain("lacks rights on 3 objects of the source");
  expect(partly.blockers).toEqual([]);
  expect(afterwards.blockers).toEqual([]);
});

test("a role that may not even read the schema's head is told the GRANT for it", async () => {
  await using environment = await anEnvironment({ source: "airflow-2.10.5-empty" });
  await using role = await aRole([environment.source]);
  const env = { SOURCE_DATABASE_URL: environment.source.urlAs(role.name, role.password) };

  const planned = await environment.plan([], { env });

  expect(planned.code).toBe(1);
  expect(planned.problem?.code).toBe("ROLE_LACKS_RIGHTS");
  expect(planned.problem?.next).toContain(`GRANT SELECT ON TABLE alembic_version TO ${role.name};`);
  expectComplete(planned);
});

test("a target role that owns nothing is told all that it lacks; with the GRANTs the copy goes through, and indexes stay on", async () => {
  await using environment = await anEnvironment();
  await using role = await aRole([environment.target]);
  await environment.target.query(`grant select on all tables in schema public to ${role.name}`);
  const env = { TARGET_DATABASE_URL: environment.target.urlAs(role.name, role.password) };
  // Enough rows that indexes would come off for an owner.
  await environment.source.query(
    "insert into log (dttm, event) select now() - n * interval '1 second', 'many' from generate_series(1, 21000) n",
  );

  const planned = await environment.plan([], { env });
  const [finding] = planned.blockers;
  for (const grant of grants(finding?.next ?? [])) await environment.target.query(grant);
  const again = await environment.plan([], { env });
  const applied = await environment.apply([], { env });

  expect(planned.code, planned.output).toBe(3);
  expect(planned.blockers.map((each) => each.code)).toEqual(["ROLE_LACKS_RIGHTS"]);
  const statements = grants(finding?.next ?? []).join("\n");
  expect(statements).toContain(`GRANT CREATE ON DATABASE ${environment.target.name} TO ${role.name};`);
  expect(statements).toMatch(/GRANT INSERT, UPDATE ON TABLE public\.\w+, /);
  expect(statements).toContain("public.xcom");
  expect(statements).toMatch(/GRANT USAGE, SELECT, UPDATE ON SEQUENCE .*public\.dag_run_id_seq/);
  expectComplete(planned);
  expect(again.blockers).toEqual([]);
  expect(again.finding("ROLE_NOT_OWNER")?.what).toContain("indexes and keys stay on");
  expect(applied.code, applied.output).toBe(0);
  expect(applied.json).toMatchObject({ indexesRebuilt: 0 });
});

test("a right that is taken away after planning stops the apply with its GRANT, and given back it goes on", async () => {
  await using environment = await anEnvironment();
  await using role = await aRole([environment.target]);
  await environment.target.query(
    `grant select, insert, update on all tables in schema public to ${role.name};
     grant usage, select, update on all sequences in schema public to ${role.name};
     grant create on database ${environment.target.name} to ${role.name}`,
  );
  const env = { TARGET_DATABASE_URL: environment.target.urlAs(role.name, role.password) };
  await environment.plan([], { env });
  await environment.target.query(
    `create function take_away() returns trigger language plpgsql security definer as
       'begin revoke insert on xcom from ${role.name}; return null; end';
     create trigger take_away after insert on task_map for each statement execute function take_away()`,
  );

  const stopped = await environment.apply([], { env });
  await environment.target.query(`drop trigger take_away on task_map; grant insert on xcom to ${role.name}`);
  const applied = await environment.apply([], { env });

  expect(stopped.code, stopped.output).toBe(1);
  expect(stopped.problem).toMatchObject({
    code: "ROLE_LACKS_RIGHTS",
    next: expect.arrayContaining([`GRANT SELECT, INSERT, UPDATE ON TABLE xcom TO ${role.name};`]),
  });
  expectComplete(stopped);
  expect(applied.code, applied.output).toBe(0);
});

test("a source role that may not pause a DAG is told the right that is missing, and not the one that it has", async () => {
  await using environment = await anEnvironment();
  await using role = await aRole([environment.source]);
  await environment.source.query(`grant select on all tables in schema public to ${role.name}`);
  const url = new Secret(environment.source.urlAs(role.name, role.password));
  await using database = openPostgres({ url, name: "source" });
  const control = openDatabaseControl({ side: "source", database, release: "2.10.5" });

  const refused = control.setPaused("cw_mapped", true, new AbortController().signal);

  await expect(refused).rejects.toMatchObject({
    report: {
      code: "ROLE_LACKS_RIGHTS",
      next: expect.arrayContaining([`GRANT SELECT, UPDATE ON TABLE dag TO ${role.name};`]),
    },
  });
});
