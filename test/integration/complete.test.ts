import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { anEnvironment } from "../support/an-environment.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

test("a migration is ended with its evidence, and nothing of ours stays in the databases", async () => {
  await using environment = await aMigratedEnvironment();
  const { target, folder } = environment;

  const asked = await environment.run(["complete", "--json"]);
  const done = await environment.run(["complete", "--yes", "--json"]);

  expect([asked.code, asked.problem?.code, done.code], done.output).toEqual([1, "COMPLETE_NOT_CONFIRMED", 0]);
  expect(done.json["removed"]).toEqual(["target"]);
  expect(await target.query("select nspname from pg_namespace where nspname like 'crosswind%'")).toEqual([]);
  const page = await readFile(join(folder, "crosswind.evidence.html"), "utf8");
  expect(page).toContain("No differences");
  expect(page).toContain("DAGs *; entities *; all history.");
  expect(page).toMatch(/Before the source is switched off.*<td>for people<\/td>.*pg_dump/s);
  const evidence = JSON.parse(await readFile(join(folder, "crosswind.evidence.json"), "utf8")) as {
    migration: { runs: readonly { rows: number }[] };
  };
  expect(evidence.migration.runs[0]?.rows).toBeGreaterThan(300);
  expect(await environment.run(["sync", "--json"])).toMatchObject({ code: 1 });
});

test("differences keep a migration open, until somebody accepts them with a reason that is kept", async () => {
  await using environment = await aMigratedEnvironment();
  await environment.target.query("update task_instance set hostname = 'changed here' where dag_id = 'cw_mapped'");

  const refused = await environment.run(["complete", "--yes", "--json"]);
  const accepted = await environment.run(["complete", "--yes", "--accept-differences", "CHG-1 <b>", "--json"]);

  expect([refused.code, refused.problem?.code]).toEqual([1, "COMPLETE_DIFFERENCES"]);
  expect(accepted.code, accepted.output).toBe(0);
  const page = await readFile(join(environment.folder, "crosswind.evidence.html"), "utf8");
  expect(page).toContain("12 differences, accepted: CHG-1 &lt;b&gt;");
});

test("a target without a migration has nothing to end", async () => {
  await using environment = await anEnvironment();

  const { code, problem } = await environment.run(["complete", "--yes", "--json"]);

  expect([code, problem?.code]).toEqual([1, "COMPLETE_NOTHING_COPIED"]);
  await expect(access(join(environment.folder, "crosswind.evidence.json"))).rejects.toThrow("ENOENT");
});

test("the record of another source in the same target stays", async () => {
  await using environment = await aMigratedEnvironment();
  const { target } = environment;
  await target.query(
    "insert into crosswind.run (id, source) values ('00000000-0000-0000-0000-000000000001', 'another system/1')",
  );

  const { code, json, output } = await environment.run(["complete", "--yes", "--json"]);

  expect(code, output).toBe(0);
  expect(json["removed"]).toEqual([]);
  expect(await target.query("select source from crosswind.run")).toEqual([{ source: "another system/1" }]);
});
