import { expect, test } from "vitest";
import type { Tie } from "./ties.ts";
import type { Wave } from "./waves.ts";
import { checkWaves, readWaves, writeWaves } from "./waves-file.ts";

function aWave(name: string, ...dagIds: readonly string[]): Wave {
  return { name, dags: dagIds.map((dagId) => ({ dagId, why: ["every day"] })) };
}

const TIE: Tie = { from: "a", to: "b", kind: "asset", by: "s3://x" };

test("a written file is read as the same waves", () => {
  const waves = [aWave("wave-1", "a", "yes", "1", "with: colon", "# hash"), aWave("wave-2", "é")];

  expect(readWaves(writeWaves(waves))).toEqual(waves);
});

test("reasons may be left out", () => {
  expect(readWaves("waves:\n  - name: x\n    dags:\n      - id: a\n")).toEqual([
    { name: "x", dags: [{ dagId: "a", why: [] }] },
  ]);
});

test.for<readonly [string, string]>([
  ["a tag", "waves: !!js/function []"],
  ["a custom tag", "waves:\n  - !wave {name: x, dags: []}"],
  ["a tag on a key", "!x waves: []"],
  ["a reference", "waves:\n  - &a {name: x, dags: []}\n  - *a"],
  ["an unknown key", "waves: []\nafter: 1"],
  ["a DAG without id", "waves: [{name: x, dags: [{dag: a}]}]"],
  ["a name of many lines", 'waves: [{name: "x\\ny", dags: []}]'],
  ["a doubled key", "waves: []\nwaves: []"],
  ["two documents", "waves: []\n---\nwaves: []"],
  ["nothing", ""],
  ["another shape", "- a\n- b"],
  ["no YAML", "waves: ["],
])("a file with %s is refused", ([, text]) => {
  expect(() => readWaves(text)).toThrow(expect.objectContaining({ code: "WAVES_FILE_INVALID" }));
});

test("finds doubled, missing and unknown DAGs, and equal names", () => {
  const waves = [aWave("one", "a", "b"), aWave("one", "b", "gone")];

  const findings = checkWaves(waves, { dagIds: ["a", "b", "c"], ties: [] });

  expect(findings.map(({ code, severity, subjects }) => [code, severity, subjects])).toEqual([
    ["WAVE_NAME_TWICE", "blocker", ["one"]],
    ["WAVE_DAG_TWICE", "blocker", ["dag:b"]],
    ["WAVE_DAG_MISSING", "warning", ["dag:c"]],
    ["WAVE_DAG_UNKNOWN", "blocker", ["dag:gone"]],
  ]);
});

test("warns of a split chain, with the chain and what ties it", () => {
  const findings = checkWaves([aWave("one", "a"), aWave("two", "b")], { dagIds: ["a", "b"], ties: [TIE] });

  expect(findings).toEqual([
    expect.objectContaining({
      code: "WAVE_SPLITS_CHAIN",
      severity: "warning",
      what: "DAGs that are tied are in different waves (one, two): a writes s3://x, which starts b",
      subjects: ["dag:a", "dag:b"],
    }),
  ]);
});
