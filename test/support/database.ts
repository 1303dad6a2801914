import { randomBytes } from "node:crypto";
import { Client, escapeIdentifier } from "pg";
import { inject } from "vitest";

/** A database of a test's own, dropped at the end of its scope. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** Connection string, as superuser. */
  readonly url: string;
}

/**
 * Makes a database on the test cluster: empty, or a copy of `template`, to which nobody may be connected meanwhile.
 *
 *     await using db = await freshDatabase();
 */
export async function freshDatabase({
  template = "template0",
}: {
  readonly template?: string;
} = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await runAsAdmin(`CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)}`);
  return {
    name,
    url: databaseUrl(name),
    [Symbol.asyncDispose]: () => runAsAdmin(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`),
  };
}

/**
 * The name of a template database, filled by `fill` the first time it is asked for, and kept over runs.
 *
 * @param name ends up in the database's name; change it when what `fill` makes changes, as with a hash of its input
 */
export async function templateDatabase(name: string, fill: (url: string) => Promise<void>): Promise<string> {
  const template = `template_${name}`;
  const client = new Client({ connectionString: inject("postgresUrl") });
  await client.connect();
  try {
    // One worker fills it, the others wait; the lock goes with the connection.
    await client.query("SELECT pg_advisory_lock(hashtext($1))", [template]);
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [template]);
    if (rowCount === 0) {
      await fillTemplate(client, template, fill);
    }
    return template;
  } finally {
    await client.end();
  }
}

/** Under another name until it is complete. */
async function fillTemplate(client: Client, template: string, fill: (url: string) => Promise<void>): Promise<void> {
  const partial = `test_${randomBytes(8).toString("hex")}`;
  await client.query(`CREATE DATABASE ${escapeIdentifier(partial)} TEMPLATE template0`);
  await fill(databaseUrl(partial));
  await client.query(`ALTER DATABASE ${escapeIdentifier(partial)} RENAME TO ${escapeIdentifier(template)}`);
}

function databaseUrl(name: string): string {
  const url = new URL(inject("postgresUrl"));
  url.pathname = `/${name}`;
  return url.href;
}

async function runAsAdmin(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject("postgresUrl") });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
