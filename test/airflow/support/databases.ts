import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { AirflowInstall } from "./install.ts";
import { run } from "./processes.ts";
import { initCommand } from "./releases.ts";

/** A database that is dropped when disposed. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

/** Makes the metadata database of a release with that release's own command. Three to nine seconds. */
export async function initDatabase(install: AirflowInstall, databaseUrl: string, fernetKey: string): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "crosswind-init-"));
  try {
    const env = install.env({ databaseUrl, home, fernetKey });
    await run(install.airflow, initCommand(install.release), { env, cwd: home });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export interface FreshDatabaseOptions {
  readonly install: AirflowInstall;
  /** Any database of the server; its user may create databases. */
  readonly serverUrl: string;
  readonly name: string;
  readonly fernetKey: string;
}

/** A freshly initialised database of a release. The first one on a server is made by Airflow, the others copy it. */
export async function freshDatabase(options: FreshDatabaseOptions): Promise<TestDatabase> {
  const template = `crosswind_template_${options.install.release.replaceAll(".", "_")}`;
  await using server = await connect(options.serverUrl);
  // One process makes the template, the others wait here.
  await server.client.query("select pg_advisory_lock(hashtext($1))", [template]);
  if (!(await exists(server.client, template))) {
    const draft = `${template}_draft`;
    await server.client.query(`drop database if exists "${draft}" with (force)`);
    await server.client.query(`create database "${draft}"`);
    await initDatabase(options.install, withDatabase(options.serverUrl, draft), options.fernetKey);
    await server.client.query(`alter database "${draft}" rename to "${template}"`);
  }
  await dropDatabase(options.serverUrl, options.name);
  await server.client.query(`create database "${options.name}" template "${template}"`);
  return disposable(options.serverUrl, options.name);
}

/** Copies a database that nobody uses at the moment. */
export async function copyDatabase(serverUrl: string, from: string, name: string): Promise<TestDatabase> {
  await using server = await connect(serverUrl);
  await dropDatabase(serverUrl, name);
  await server.client.query(`create database "${name}" template "${from}"`);
  return disposable(serverUrl, name);
}

/** An empty database. */
export async function emptyDatabase(serverUrl: string, name: string): Promise<TestDatabase> {
  return copyDatabase(serverUrl, "template0", name);
}

/** Drops a database, also one that is in use; fine when it does not exist. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await using server = await connect(serverUrl);
  await server.client.query(`drop database if exists "${name}" with (force)`);
}

/** The same server, another database. */
export function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs one query on a database and gives its rows. */
export async function query<Row>(
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  await using connection = await connect(databaseUrl);
  const result = await connection.client.query(sql, [...values]);
  return result.rows as readonly Row[];
}

async function connect(url: string): Promise<AsyncDisposable & { readonly client: Client }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

async function exists(client: Client, name: string): Promise<boolean> {
  return (await client.query("select 1 from pg_database where datname = $1", [name])).rowCount === 1;
}

function disposable(serverUrl: string, name: string): TestDatabase {
  return { url: withDatabase(serverUrl, name), [Symbol.asyncDispose]: () => dropDatabase(serverUrl, name) };
}
