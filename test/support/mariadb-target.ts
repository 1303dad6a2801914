import { stopEmbeddedPostgres } from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";
import { stagingName } from "../../src/databases/staging/staging.ts";
import { anEnvironment, type Environment, type EnvironmentOptions } from "./an-environment.ts";
import { aMariadb, type MariadbServer, type TestMariadb } from "./mariadb.ts";

/** What the target's user may do: everything that Airflow's own may; `withoutLedger`: and no other database. */
export interface TargetOptions {
  readonly withoutLedger?: boolean;
  /** Default: the schema that a genuine Airflow 2.10.5 made. */
  readonly schema?: "2.10.5" | "3.3.2";
}

/** An empty target on MariaDB with a user that may write to it; it goes with its ledger at the end of the scope. */
export async function aMariadbTarget(server: MariadbServer, options: TargetOptions = {}): Promise<TestMariadb> {
  await using resources = new AsyncDisposableStack();
  const database = await aMariadb(server, undefined, options.schema);
  const { name } = database;
  resources.use(database);
  await database.query(`grant all on ${name}.* to '${name}'@'%'`);
  if (options.withoutLedger !== true) await database.query(`grant all on crosswind_${name}.* to '${name}'@'%'`);
  resources.defer(async () => {
    await database.query(`drop database if exists crosswind_${name}`);
  });
  const kept = resources.move();
  return { ...database, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What a database is called in staging. */
export function addressOf(url: string): string {
  return url.replace(/^mysql\+pymysql:\/\/([^:]+):[^@]*@/, "mysql://$1@");
}

/** An environment whose target is a MariaDB. What was landed of it goes at the end of the scope. */
export async function aMariadbTargetEnvironment(
  target: TestMariadb,
  { staging = "cluster", ...options }: EnvironmentOptions & { readonly staging?: "cluster" | "embedded" } = {},
): Promise<Environment> {
  await using resources = new AsyncDisposableStack();
  const config = staging === "cluster" ? { config: "staging: ${env:STATE_DATABASE_URL}" } : {};
  const inner = resources.use(await anEnvironment({ target: "nothing", ...config, ...options }));
  resources.defer(async () => {
    if (staging === "embedded") {
      await stopEmbeddedPostgres(
        { name: "staging", homeDir: inner.folder, host: thisHost("durable") },
        { remove: true },
      );
      return;
    }
    const source = addressOf(target.url);
    const names = await inner.state.query<{ name: string }>(
      "select datname as name from pg_database where starts_with(datname, $1)",
      [stagingName({ source })],
    );
    for (const { name } of names) await inner.state.query(`drop database if exists "${name}" with (force)`);
  });
  const env = { TARGET_DATABASE_URL: target.url };
  const kept = resources.move();
  return {
    ...inner,
    variables: { ...inner.variables, ...env },
    run: (args, given = {}) => inner.run(args, { ...given, env: { ...env, ...given.env } }),
    plan: (args = [], given = {}) => inner.plan(args, { ...given, env: { ...env, ...given.env } }),
    apply: (args = [], given = {}) => inner.apply(args, { ...given, env: { ...env, ...given.env } }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
