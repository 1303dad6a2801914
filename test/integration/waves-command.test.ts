import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anEnvironment, type Environment } from "../support/an-environment.ts";

const resources = new AsyncDisposableStack();
let environment: Environment;

beforeAll(async () => {
  environment = resources.use(await anEnvironment());
});
afterAll(() => resources.disposeAsync());

/** Writes a file of waves and has it checked. */
async function check(text: string, args: readonly string[] = []) {
  await writeFile(join(environment.folder, "edited.yaml"), text);
  return await environment.run(["waves", "--check", "edited.yaml", ...args]);
}

test("waves keep DAGs together that an asset ties, and say why", async () => {
  const { code, json, output } = await environment.run(["waves", "-o", "one-each.yaml", "--size", "1", "--json"]);

  expect(code, output).toBe(0);
  const waves = json["waves"] as readonly { dags: readonly { dagId: string; why: readonly string[] }[] }[];
  const tied = waves.find(({ dags }) => dags.some(({ dagId }) => dagId === "cw_consumer"));
  expect(tied?.dags.map(({ dagId }) => dagId).toSorted()).toContain("cw_producer");
  expect(tied?.dags.flatMap(({ why }) => why).join()).toContain("s3://lake/orders.parquet");
});

test("the file that is written has no mistakes, and is not written over", async () => {
  const first = await environment.run(["waves"]);
  const checked = await environment.run(["waves", "--check", "waves.yaml"]);
  const again = await environment.run(["waves", "--json"]);
  const forced = await environment.run(["waves", "--force"]);

  expect([first.code, checked.code, forced.code], first.output + checked.output).toEqual([0, 0, 0]);
  expect(checked.text).toContain("nothing blocks, 0 warnings, 0 notes");
  expect(again.problem?.code).toBe("WAVES_FILE_EXISTS");
  expect(await readFile(join(environment.folder, "waves.yaml"), "utf8")).toContain("- id: cw_scheduled");
});

test("ties to DAGs that are not selected are shown", async () => {
  const { output, text } = await environment.run(["waves", "-o", "part.yaml", "--dag", "cw_producer"]);

  expect(text, output).toContain("Tied to DAGs that are not selected, or not active");
  expect(text).toContain("cw_producer writes s3://lake/orders.parquet, which starts cw_consumer");
});

test("a DAG in two waves, and one that is not there, block with exit code 3", async () => {
  const { code, json, output } = await check(
    "waves: [{name: a, dags: [{id: cw_mapped}, {id: gone}]}, {name: b, dags: [{id: cw_mapped}]}]",
    ["--json"],
  );

  expect(code, output).toBe(3);
  const findings = json["findings"] as readonly { code: string; severity: string }[];
  expect(findings.filter(({ severity }) => severity === "blocker").map((each) => each.code)).toEqual([
    "WAVE_DAG_TWICE",
    "WAVE_DAG_UNKNOWN",
  ]);
});

test("a split chain is warned of with what ties it", async () => {
  const { code, text } = await check(
    "waves: [{name: a, dags: [{id: cw_producer}]}, {name: b, dags: [{id: cw_consumer}]}]",
  );

  expect(code).toBe(0);
  expect(text).toContain("WAVE_SPLITS_CHAIN");
  expect(text).toContain("cw_producer writes s3://lake/orders.parquet, which starts cw_consumer");
});

test("what is no file of waves is told", async () => {
  const missing = await environment.run(["waves", "--check", "nowhere.yaml", "--json"]);
  const broken = await check("waves: !!js/function []", ["--json"]);

  expect(missing.problem?.code).toBe("WAVES_FILE_UNUSABLE");
  expect(broken.problem?.code).toBe("WAVES_FILE_INVALID");
});
