import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addDelta, formatMicros, parseMicros } from "./micros.ts";

test.for([
  ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"],
  ["2025-01-01 00:00:00.5+02", "2024-12-31T22:00:00.500000+00:00"],
  ["2025-01-01T00:00:00.000001Z", "2025-01-01T00:00:00.000001+00:00"],
  ["2025-01-01T00:00:00-0330", "2025-01-01T03:30:00+00:00"],
] as const)("%s is the moment %s", ([text, iso]) => {
  expect(formatMicros(parseMicros(text) ?? 0)).toBe(iso);
});

test.for(["", "now", "2025-01-01", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z"])("%s is no moment", (text) => {
  expect(parseMicros(text)).toBeUndefined();
});

test("every moment is written and read to the microsecond", () => {
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000_000_000_000, max: 4_000_000_000_000_000 }), (micros) => {
      expect(parseMicros(formatMicros(micros))).toBe(micros);
    }),
  );
});

test.for([
  ["2025-01-31T10:00:00Z", { months: 1, days: 0, elapsed: 0 }, "2025-02-28T10:00:00+00:00"],
  ["2024-01-31T10:00:00Z", { months: 1, days: 1, elapsed: 1 }, "2024-03-01T10:00:00.000001+00:00"],
  ["2025-01-31T10:00:00Z", { months: 12, days: 0, elapsed: 0 }, "2026-01-31T10:00:00+00:00"],
] as const)("%s and a delta of calendar units is cut to the month", ([from, delta, to]) => {
  expect(formatMicros(addDelta(parseMicros(from) ?? 0, delta, 1))).toBe(to);
});
