import { expect, test, vi } from "vitest";
import { anEnvironment, aRole, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";
import { differencesToFreshCopy } from "../../support/fresh-copy.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Each would end a copy: shorter than its read snapshot is held, or than the slowed down load of one table takes. */
const SHORT = [
  "statement_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
];
const SHORT_MS = 1500;
const SLOW_SECONDS = 4;

/** Holds the target up in the middle, while the source's read snapshot is open. */
async function slowDown(environment: Environment): Promise<void> {
  await environment.target.query(
    `create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(${SLOW_SECONDS}); return null; end $$;
     create trigger wait after insert on dag_run for each statement execute function wait()`,
  );
}

test.for(["source", "target"] as const)(
  "timeouts that are set for the role and for the database of the %s do not end a copy, a verification or a delta",
  async (side) => {
    await using environment = await anEnvironment();
    await using role = await aRole([environment[side]]);
    const { name } = environment[side];
    await environment[side].query(`alter role ${role.name} superuser`);
    for (const setting of SHORT) {
      await environment[side].query(`alter role ${role.name} set ${setting} = ${SHORT_MS}`);
      await environment[side].query(`alter database ${name} set ${setting} = ${SHORT_MS}`);
    }
    await slowDown(environment);
    const env = { [`${side.toUpperCase()}_DATABASE_URL`]: environment[side].urlAs(role.name, role.password) };

    const ran = [
      await environment.plan([], { env }),
      await environment.apply([], { env }),
      await environment.run(["verify", "--json"], { env }),
      await environment.run(["sync", "--json"], { env }),
    ];

    for (const { code, output } of ran) expect(code, output).toBe(0);
  },
);

test.for([
  ["source", "role"],
  ["target", "role"],
  ["source", "database"],
] as const)(
  "a %s whose %s takes no more connections in the middle is told as that, and the next apply goes on",
  async ([side, what]) => {
    await using environment = await anEnvironment();
    await using role = await aRole([environment[side]]);
    await environment[side].query(
      `grant all on all tables in schema public to ${role.name};
       grant all on all sequences in schema public to ${role.name};
       grant create, temporary on database ${environment[side].name} to ${role.name}`,
    );
    const env = { [`${side.toUpperCase()}_DATABASE_URL`]: environment[side].urlAs(role.name, role.password) };
    await environment.plan([], { env });
    await slowDown(environment);
    const subject = what === "role" ? role.name : environment[side].name;
    const limit = (connections: number) =>
      environment[side].query(`alter ${what} ${subject} connection limit ${connections}`);
    let limited: Promise<unknown> | undefined;

    const stopped = await environment.apply([], {
      env,
      onStderrLine: (line) => {
        if (line.includes('"phase":"prepare"')) limited ??= limit(1);
      },
    });
    await limited;
    await limit(-1);
    await environment.target.query("drop function wait cascade");
    const applied = await environment.apply([], { env });

    expect([stopped.code, stopped.problem?.code], stopped.output).toEqual([1, "DATABASE_CONNECTIONS_USED_UP"]);
    expect(stopped.problem?.what).toContain(`${side} (`);
    expectComplete(stopped);
    expect(applied.code, applied.output).toBe(0);
    expect(await differencesToFreshCopy(environment)).toEqual([]);
  },
);
