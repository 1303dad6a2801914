import { expect, test } from "vitest";
import { abilitiesOf } from "./server-abilities.ts";

test.for([
  [120_022, false],
  [130_023, false],
  [140_000, true],
  [180_004, true],
] as const)("server_version_num %i has TID range scans: %s", ([version, has]) => {
  expect(abilitiesOf(version).hasTidRangeScan).toBe(has);
});
