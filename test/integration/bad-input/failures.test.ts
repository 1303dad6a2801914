import { expect, test, vi } from "vitest";
import { anEnvironment, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

/** Lets the target fail as a server does, in the middle of the copy: once a chunk of the table has come in. */
async function failOn(environment: Environment, table: string, action: string): Promise<void> {
  await environment.target.query(
    `create function fail() returns trigger language plpgsql as $$ begin ${action} return null; end $$;
     create trigger fail after insert on ${table} for each statement execute function fail()`,
  );
}

async function mend(environment: Environment): Promise<void> {
  await environment.target.query("drop function fail cascade");
}

/** Rows of every entity as the plan said, none of them twice. */
async function expectWhole(environment: Environment): Promise<void> {
  const planned = await environment.plan();
  const entities = planned.plan?.entities ?? [];
  expect(planned.blockers).toEqual([]);
  for (const { entity, toCopy, alreadyThere } of entities) expect([entity, alreadyThere]).toEqual([entity, toCopy]);
  const [row] = await environment.target.query("select count(*)::int as runs from dag_run");
  expect(row).toEqual({ runs: planned.entity("dag_run").toCopy });
}

test("a target that says in the middle that its disk is full (SQLSTATE 53100) stops the apply, which goes on once there is room", async () => {
  await using environment = await anEnvironment();
  await environment.plan();
  await failOn(
    environment,
    "xcom",
    "raise exception 'could not extend file: No space left on device' using errcode = '53100';",
  );

  const stopped = await environment.apply();
  const forPeople = await environment.run(["apply"]);
  await mend(environment);
  const applied = await environment.apply();

  expect(stopped.code, stopped.output).toBe(1);
  expect(stopped.problem?.code).toBe("DATABASE_DISK_FULL");
  expect(stopped.problem?.what).toContain("target (");
  expectComplete(stopped);
  expect(forPeople.code).toBe(1);
  expect(forPeople.text).toContain("DATABASE_DISK_FULL");
  expect(forPeople.text).toContain("Safe the open transaction was rolled back");
  expect(applied.code, applied.output).toBe(0);
  await expectWhole(environment);
});

test.for(["target", "source"] as const)(
  "sessions on the %s that an administrator ends in the middle stop the apply, and the next one goes on",
  async (side) => {
    await using environment = await anEnvironment();
    await environment.plan();
    await failOn(environment, "dag_run", "perform pg_sleep(2);");
    let ended = 0;

    const stopped = await environment.apply([], {
      onStderrLine: (line) => {
        if (!line.includes('"entity":"asset_event","chunk"')) return;
        setTimeout(() => void endSessions(environment, side).then((count) => (ended += count)), 700);
      },
    });
    await mend(environment);
    const applied = await environment.apply();

    expect(ended).toBeGreaterThan(0);
    expect(stopped.code, stopped.output).toBe(1);
    expect(stopped.problem?.code).toBe("DATABASE_CONNECTION_LOST");
    expect(stopped.problem?.what).toContain(`${side} (`);
    expectComplete(stopped);
    expect(applied.code, applied.output).toBe(0);
    await expectWhole(environment);
  },
);

async function endSessions(environment: Environment, side: "source" | "target"): Promise<number> {
  const rows = await environment[side].query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like $1",
    [`crosswind ${side}%`],
  );
  return rows.length;
}

test("a statement that somebody cancels is told as such", async () => {
  await using environment = await anEnvironment();
  await environment.plan();
  await failOn(
    environment,
    "xcom",
    "raise exception 'canceling statement due to user request' using errcode = '57014';",
  );

  const stopped = await environment.apply();

  expect(stopped.code, stopped.output).toBe(1);
  expect(stopped.problem?.code).toBe("DATABASE_STATEMENT_CANCELLED");
  expectComplete(stopped);
});

test("a value that becomes too long after planning stops its chunk, and shortened the apply goes on", async () => {
  await using environment = await anEnvironment();
  await environment.target.query("alter table log alter owner type varchar(40)");
  await environment.plan();
  await failOn(environment, "task_map", "raise exception 'no room' using errcode = '53100';");
  await environment.apply();
  await mend(environment);
  await environment.source.query(
    "update log set owner = repeat('o', 41) where id = (select max(id) from log where dag_id = 'cw_scheduled')",
  );

  const stopped = await environment.apply();
  const inBetween = await environment.target.query("select count(*)::int as n from log where event like 'seed%'");
  await environment.source.query("update log set owner = 'short' where length(owner) = 41");
  const applied = await environment.apply();

  expect(stopped.code, stopped.output).toBe(1);
  expect(stopped.problem?.code).toBe("COPY_VALUE_TOO_LONG");
  expect(stopped.problem?.what).toContain("value too long for type character varying(40)");
  expect(stopped.problem?.safe).toContain("the chunk was rolled back");
  expectComplete(stopped);
  expect(inBetween).toEqual([{ n: 0 }]);
  expect(applied.code, applied.output).toBe(0);
  await expectWhole(environment);
});

test("values that are too long for the target block the plan and are named by their rows", async () => {
  await using environment = await anEnvironment();
  await environment.target.query("alter table log alter owner type varchar(40)");
  await environment.source.query(
    "update log set owner = repeat('o', 41) where id = (select max(id) from log where dag_id = 'cw_scheduled')",
  );
  const [last] = await environment.source.query("select max(id)::text as id from log where dag_id = 'cw_scheduled'");

  const planned = await environment.plan();
  const forPeople = await environment.run(["plan"]);

  expect(planned.code).toBe(3);
  expect(planned.blockers).toMatchObject([
    { code: "VALUE_TOO_LONG", entity: "log", subjects: [last?.["id"]], count: 1 },
  ]);
  expectComplete(planned);
  expect(forPeople.text).toContain("longer than the 40 characters that the target takes");
});
