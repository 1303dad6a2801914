import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { anEnvironment, type Environment } from "../support/an-environment.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

/** A session on the source with a read snapshot that began before the newest transactions. */
async function aReader({ source }: Environment, name: string): Promise<void> {
  const client = new Client({ connectionString: source.url, application_name: name });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  await client.query("begin isolation level repeatable read");
  await client.query("select 1 from dag_run limit 1");
  for (let times = 0; times < 3; times++) await source.query("update dag set description = description");
}

test("the doctor names who keeps the source's server from cleaning up", async () => {
  await using environment = await anEnvironment();
  await aReader(environment, "somebody's report");

  const { output } = await environment.run(["doctor", "--json"]);

  expect(output).toMatch(
    /for somebody's report the server keeps what was deleted in the last 1 minute \([1-9]\d* transactions?\)/,
  );
});

test("the status of an unfinished run tells how old its read snapshot is, and that of a finished one does not", async () => {
  await using environment = await aMigratedEnvironment();
  await aReader(environment, "crosswind source 01234567");

  const finished = await environment.run(["status", "--json"]);
  await environment.target.query("update crosswind.run set finished_at = null");
  const unfinished = await environment.run(["status"]);

  expect(finished.code, finished.output).toBe(0);
  expect(finished.json).not.toHaveProperty("heldHorizon");
  expect(unfinished.text).toMatch(/The read snapshot on the source is \d+ s old \([1-9]\d* transactions\)/);
});
