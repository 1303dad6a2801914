import { describe, expect, test } from "vitest";
import { compareReleases, isInRange } from "./release.ts";

describe("order of releases", () => {
  test.for([
    ["2.9.3", "2.10.0", -1],
    ["2.10.5", "2.9", 1],
    ["1.10.15", "2.0", -1],
    ["3.0", "3.0.0", 0],
    ["3.0.1", "3.0", 1],
    ["3.3.2", "3.3.2", 0],
  ] as const)("%s against %s", ([a, b, expected]) => {
    expect(Math.sign(compareReleases(a, b))).toBe(expected);
    expect(Math.sign(compareReleases(b, a))).toBe(expected === 0 ? 0 : -expected);
  });
});

describe("ranges", () => {
  test.for([
    ["2.10.5", ">=2.2 <3.0", true],
    ["3.0.0", ">=2.2 <3.0", false],
    ["2.1.4", ">=2.2 <3.0", false],
    ["2.2.0", ">=2.2", true],
    ["2.10.0", "<2.9", false],
    ["2.9", "<=2.9", true],
    ["2.9.1", "<=2.9", false],
    ["2.9.1", ">2.9", true],
    ["2.9.0", "=2.9", true],
    ["1.10.7", "", true],
  ] as const)("%s in '%s' is %s", ([release, range, expected]) => {
    expect(isInRange(release, range)).toBe(expected);
  });

  test("no range is every release", () => {
    expect(isInRange("1.10.7", undefined)).toBe(true);
  });

  test.for(["2.2", ">= 2.2", "~2.2", ">=2.2,<3.0", ">=2.x", "=>2.2", "<3.0  >=2.2"])("refuses '%s'", (range) => {
    expect(() => isInRange("2.10.5", range)).toThrow("malformed range");
  });
});
