import { Client } from "pg";
import { expect, test } from "vitest";
import { freshDatabase, templateDatabase } from "../support/database.ts";

async function query(url: string, sql: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

test("a test's database is empty, its own, and gone after its scope", async () => {
  await using witness = await freshDatabase();
  let name: string;
  {
    await using database = await freshDatabase();
    name = database.name;
    expect(await query(database.url, "SELECT relname FROM pg_stat_user_tables")).toEqual([]);
    expect(await query(witness.url, `SELECT FROM pg_database WHERE datname = '${name}'`)).toHaveLength(1);
  }
  expect(await query(witness.url, `SELECT FROM pg_database WHERE datname = '${name}'`)).toHaveLength(0);
});

test("a template is filled once and copied as often as wanted", async () => {
  const filled: string[] = [];
  const fill = async (url: string) => {
    filled.push(url);
    await query(url, "CREATE TABLE one AS SELECT 1 AS n");
  };
  const templateName = `trial_${process.pid}_${performance.timeOrigin}`.replaceAll(".", "_");
  const templates = await Promise.all([1, 2, 3].map(() => templateDatabase(templateName, fill)));
  const template = templates[0] ?? "";

  await using a = await freshDatabase({ template });
  await using b = await freshDatabase({ template });

  expect(filled).toHaveLength(1);
  expect(await query(a.url, "SELECT n FROM one")).toEqual([{ n: 1 }]);
  expect(await query(b.url, "SELECT n FROM one")).toEqual([{ n: 1 }]);
  await query(a.url, `DROP DATABASE "${template}"`);
});
