import { expect, test } from "vitest";
import { decommissionSteps } from "./decommission.ts";

const AT = "2026-11-20T00:00:00.000Z";
const QUIET = { lastRunAt: "2026-11-12T00:00:00.000Z", unpausedDags: [], callers: [] };

const metOf = (use: Parameters<typeof decommissionSteps>[0]) => decommissionSteps(use, AT).map(({ isMet }) => isMet);

test("a source that is quiet for a week leaves what people have to do", () => {
  expect(metOf(QUIET)).toEqual([true, true, true, undefined, undefined]);
});

test.for([
  ["a DAG that is not paused", { ...QUIET, unpausedDags: ["etl"] }, 0, "etl"],
  ["a run of the last week", { ...QUIET, lastRunAt: "2026-11-14T00:00:00.000Z" }, 1, "2026-11-14"],
  ["a caller of the last week", { ...QUIET, callers: [{ who: "ann", events: 3 }] }, 2, "ann (3)"],
] as const)("%s is not met, named, and has a remedy", ([, use, at, name]) => {
  const step = decommissionSteps(use, AT)[at];

  expect(step).toMatchObject({ isMet: false, what: expect.stringContaining(name), next: expect.any(String) });
  expect(metOf(use).filter((isMet) => isMet === false)).toHaveLength(1);
});
