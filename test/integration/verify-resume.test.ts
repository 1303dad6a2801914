import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";

/** A migrated pair, and a comparison of it that was killed once it had compared some task instances. */
async function aKilledComparison(): Promise<Environment> {
  const environment = await anEnvironment();
  await migrate(environment);
  const killed = await environment.run(["verify", "--json"], {
    onStderrLine: (line, kill) => {
      if (line.includes('"verified"') && line.includes('"task_instance"')) kill("SIGKILL");
    },
  });
  expect(killed.signal).toBe("SIGKILL");
  return environment;
}

function keptFile({ folder }: Environment): string {
  return join(folder, ".crosswind", "comparison.ndjson");
}

test("a comparison that was killed goes on with what it had read, and nothing is kept when it has ended", async () => {
  await using environment = await aKilledComparison();
  const text = await readFile(keptFile(environment), "utf8");
  // As a kill in the middle of a line leaves it.
  await writeFile(keptFile(environment), `${text}{"query":"cut off he`);
  const [, first = "{}"] = text.split("\n");

  const resumed = await environment.run(["verify", "--resume", "--json"]);
  const again = await environment.run(["verify", "--json"]);

  expect([resumed.code, again.code], resumed.output).toEqual([0, 0]);
  expect(resumed.json["resumedFrom"]).toBe((JSON.parse(first) as { at: string }).at);
  expect(resumed.json["rows"]).toBe(again.json["rows"]);
  expect(again.json["resumedFrom"]).toBeUndefined();
  await expect(access(keptFile(environment))).rejects.toThrow("ENOENT");
});

test("without --resume it begins anew, and what was kept of another pair of databases is not taken", async () => {
  await using environment = await aKilledComparison();
  const text = await readFile(keptFile(environment), "utf8");

  const anew = await environment.run(["verify", "--json"]);
  await writeFile(keptFile(environment), text.replace(/"pair":"./, '"pair":"x'));
  const other = await environment.run(["verify", "--resume", "--json"]);

  expect([anew.code, other.code], anew.output).toEqual([0, 0]);
  expect([anew.json["resumedFrom"], other.json["resumedFrom"]]).toEqual([undefined, undefined]);
});

test("what was read before and no longer fits is read again, not told as a difference", async () => {
  await using environment = await aKilledComparison();
  const lines = (await readFile(keptFile(environment), "utf8")).trimEnd().split("\n");
  const changed = lines.map((line) => line.replace(/(\[\d+,\d+,")-?\d+"/, '$17"'));
  await writeFile(keptFile(environment), `${changed.join("\n")}\n`);

  const resumed = await environment.run(["verify", "--resume", "--json"]);

  expect(resumed.code, resumed.output).toBe(0);
  expect(resumed.json["resumedFrom"]).toBeDefined();
});

test("a difference of what had not been read yet is found by a comparison that goes on", async () => {
  await using environment = await aKilledComparison();
  await environment.target.query("update variable set description = 'changed since' where key = 'seed_text'");

  const resumed = await environment.run(["verify", "--resume", "--json"]);

  expect(resumed.code, resumed.output).toBe(3);
});
