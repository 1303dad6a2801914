import { expect, test } from "vitest";
import { parseFernetKeys } from "../../../src/airflow/codecs/index.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { aSqlite } from "../../support/a-sqlite.ts";
import { anEnvironment, type Environment, type OpenDatabase } from "../../support/an-environment.ts";
import { compareTargets } from "../../support/compare-targets.ts";
import { aLandingEnvironment } from "../../support/landing-environment.ts";
import { aMariadb, mariadbServer } from "../../support/mariadb.ts";

type Variables = Readonly<Record<string, string>>;

/** Moves whatever the environment's source is, and proves it. */
async function migrate(environment: Environment, env: Variables = {}): Promise<void> {
  const planned = await environment.plan([], { env });
  expect(planned.code, planned.output).toBe(0);
  const applied = await environment.apply([], { env });
  expect(applied.code, applied.output).toBe(0);
  const verified = await environment.run(["verify", "--json"], { env });
  expect(verified.code, verified.output).toBe(0);
}

/** What differs between a target filled from the environment's Postgres and one filled from another kind of database. */
async function differences(postgres: Environment, other: Environment): Promise<readonly string[]> {
  const key = postgres.variables["TARGET_FERNET_KEY"] ?? "";
  await migrate(postgres);
  await migrate(other, { TARGET_FERNET_KEY: key });
  return await compareTargets(postgres.target.url, other.target.url, parseFernetKeys(new Secret(key)));
}

/** The recorded environment as a MariaDB can hold it: TIMESTAMP from 1970 to 2037, DATETIME in seconds, FLOAT in 32 bits. */
async function fitForMariadb(database: OpenDatabase): Promise<void> {
  const columns = await database.query<{ table: string; column: string; type: string }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_attribute a
     join pg_class c on c.oid = a.attrelid and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
     where a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'float8'::regtype) and a.attnum > 0`,
  );
  const fitted: Readonly<Record<string, (name: string) => string>> = {
    "timestamp with time zone": (name) => `greatest('1970-01-02Z', least('2037-12-31Z', ${name}))`,
    "timestamp without time zone": (name) => `date_trunc('second', ${name})`,
    "double precision": (name) => `${name}::real::double precision`,
  };
  await database.query(
    columns
      .map(({ table, column, type }) => {
        const value = fitted[type]?.(`"${column}"`);
        return `update "${table}" set "${column}" = ${value} where "${column}" is not null and "${column}" <> ${value}`;
      })
      .join(";"),
  );
}

test("a copy from SQLite equals the copy from a Postgres with the same rows", async () => {
  await using postgres = await anEnvironment();
  await using sqlite = await aSqlite(postgres.source.url);
  await using other = await aLandingEnvironment({ url: sqlite.url, staging: "embedded" });

  expect(await differences(postgres, other)).toEqual([]);
}, 180_000);

test("a copy from MariaDB equals the copy from a Postgres with the same rows", async () => {
  await using postgres = await anEnvironment();
  await fitForMariadb(postgres.source);
  await using server = await mariadbServer();
  await using mariadb = await aMariadb(server, postgres.source.url);
  await using other = await aLandingEnvironment({ url: mariadb.url });

  expect(await differences(postgres, other)).toEqual([]);
}, 180_000);
