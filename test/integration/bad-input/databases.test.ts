import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { anEnvironment, aRole, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

const PASSWORD = "canary-of-a-password";
let shared: Environment;

beforeAll(async () => {
  shared = await anEnvironment({ source: "airflow-2.10.5-empty" });
});
afterAll(() => shared[Symbol.asyncDispose]());

async function aClosedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

function changed(url: string, parts: Partial<Pick<URL, "port" | "username" | "password" | "pathname" | "protocol">>) {
  return Object.assign(new URL(url), parts).href;
}

/** Runs `plan` with another URL for a side, with `--json` and for people; neither shows the password. */
async function planWith(side: "SOURCE" | "TARGET", url: string) {
  const env = { [`${side}_DATABASE_URL`]: url };
  const [planned, forPeople] = [await shared.plan([], { env }), await shared.run(["plan"], { env })];
  expect(planned.code, planned.output).toBe(1);
  expect(forPeople.code).toBe(1);
  expectComplete(planned);
  expect(forPeople.text).toContain(planned.problem?.code);
  expect(forPeople.text).toContain("Next ");
  expect(planned.output + forPeople.output).not.toContain(PASSWORD);
  const { code = "", what = "", next = [] } = planned.problem ?? {};
  return { code, what, next: next.join("\n") };
}

describe("a database that can not be used is named with its side and place, never with its password", () => {
  test("nobody listens at the port", async () => {
    const port = String(await aClosedPort());

    const problem = await planWith("TARGET", changed(shared.target.url, { port, password: PASSWORD }));

    expect(problem.code).toBe("DATABASE_UNREACHABLE");
    expect(problem.what).toContain("target (");
    expect(problem.what).toContain(`:${port}/`);
  });

  test("the server refuses the password, and a role that is not there", async () => {
    const wrong = await planWith("SOURCE", changed(shared.source.url, { password: PASSWORD }));
    const nobody = await planWith("SOURCE", changed(shared.source.url, { username: "nobody", password: PASSWORD }));

    expect([wrong.code, nobody.code]).toEqual(["DATABASE_REFUSED", "DATABASE_REFUSED"]);
    expect(nobody.what).toContain("source (nobody@127.0.0.1");
  });

  test("a URL without a password, where the server wants one", async () => {
    const problem = await planWith("SOURCE", changed(shared.source.url, { password: "" }));

    expect(problem.code).toBe("DATABASE_REFUSED");
  });

  test("there is no such database", async () => {
    const problem = await planWith("TARGET", changed(shared.target.url, { pathname: "/not_there" }));

    expect(problem.code).toBe("DATABASE_UNREACHABLE");
    expect(problem.what).toContain('database "not_there" does not exist');
  });

  test.for([
    `oracle://user:${PASSWORD}@127.0.0.1/airflow`,
    `user:${PASSWORD}@127.0.0.1/airflow`,
    `postgresql://user:12/${PASSWORD}@127.0.0.1/airflow`,
    `postgresql://user:12#${PASSWORD}@127.0.0.1/airflow`,
    `postgresql://user:${PASSWORD}%zz@127.0.0.1/airflow`,
    `postgresql://user:${PASSWORD}@127.0.0.1/`,
  ])("a URL of no database that is known, or that is not percent-encoded: %s", async (url) => {
    const env = { SOURCE_DATABASE_URL: url };
    const planned = await shared.plan([], { env });

    expect(planned.code, planned.output).toBe(1);
    expect(planned.problem?.code).toBe("DATABASE_URL_INVALID");
    expectComplete(planned);
    expect(planned.output).not.toContain(PASSWORD);
  });

  test("a role that may not connect is told the GRANT that lets it", async () => {
    await using role = await aRole([shared.source]);
    await shared.source.query(`revoke connect on database ${shared.source.name} from public`);

    const problem = await planWith("SOURCE", shared.source.urlAs(role.name, role.password));
    await shared.source.query(`grant connect on database ${shared.source.name} to public`);

    expect(problem.code).toBe("ROLE_LACKS_RIGHTS");
    expect(problem.next).toContain(`GRANT CONNECT ON DATABASE ${shared.source.name} TO ${role.name};`);
  });

  test("the state database does not answer", async () => {
    await shared.plan();
    const port = String(await aClosedPort());
    const env = { STATE_DATABASE_URL: changed(shared.state.url, { port, password: PASSWORD }) };

    const applied = await shared.apply([], { env });

    expect(applied.code, applied.output).toBe(1);
    expect(applied.problem?.code).toBe("STATE_DATABASE_UNREACHABLE");
    expectComplete(applied);
    expect(applied.output).not.toContain(PASSWORD);
  });
});

test("the same database on both sides is refused, also under another address and role", async () => {
  await using role = await aRole([shared.source]);
  await shared.source.query(`grant select on all tables in schema public to ${role.name}`);
  const elsewhere = shared.source.urlAs(role.name, role.password).replace("127.0.0.1", "localhost");

  const problem = await planWith("TARGET", elsewhere);

  expect(problem.code).toBe("SAME_DATABASE");
});

describe("a schema that is not a release's", () => {
  test("an empty database is no Airflow's, and the plan says how to make one", async () => {
    const problem = await planWith("TARGET", shared.state.url);

    expect(problem.code).toBe("DATABASE_NOT_INITIALISED");
    expect(problem.what).toContain("the target at");
    expect(problem.next).toMatch(/airflow db migrate/);
  });

  test.for([
    ["another application's tables", "DATABASE_NOT_INITIALISED", "drop table alembic_version"],
    ["no head", "DATABASE_NOT_INITIALISED", "delete from alembic_version"],
    ["a head that no release has", "SCHEMA_HEAD_UNKNOWN", "update alembic_version set version_num = 'fedcba987654'"],
    ["a head between two releases", "SCHEMA_HEAD_UNKNOWN", "update alembic_version set version_num = '044f740568ec'"],
    ["two heads", "SCHEMA_HALF_MIGRATED", "insert into alembic_version values ('fedcba987654')"],
    ["a column that is missing", "SCHEMA_HALF_MIGRATED", "alter table dag_run drop column clear_number"],
    ["a table that is missing", "SCHEMA_HALF_MIGRATED", "drop table task_instance_history"],
  ] as const)("%s is told as %s", async ([, code, sql]) => {
    await using environment = await anEnvironment({ source: "airflow-2.10.5-empty" });
    await environment.source.query(sql);

    const planned = await environment.plan();

    expect(planned.code, planned.output).toBe(1);
    expect(planned.problem?.code).toBe(code);
    expect(planned.problem?.what).toContain("the source at source (");
    expectComplete(planned);
  });
});
