import { expect, test } from "vitest";
import { parseInstant } from "./instant.ts";

test.for([
  ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00.000000Z"],
  ["2025-01-01T00:00:00.123456Z", "2025-01-01T00:00:00.123456Z"],
  ["2025-01-01T00:00:00.12+05:30", "2024-12-31T18:30:00.120000Z"],
] as const)("%s is %s", ([text, instant]) => {
  expect(parseInstant(text)).toBe(instant);
});

test.for(["2025-01-01T00:00:00", "2025-13-01T00:00:00Z", "yesterday", ""])("%j is no time", (text) => {
  expect(parseInstant(text)).toBeUndefined();
});
