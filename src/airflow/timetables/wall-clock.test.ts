import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatMicros, parseMicros } from "./micros.ts";
import { wallClock } from "./wall-clock.ts";

function found(zone: string | number, wall: string): string {
  return formatMicros(wallClock(zone)?.find(parseMicros(`${wall}Z`) ?? 0) ?? 0);
}

test.for([
  ["Europe/Zurich", "2025-03-30T01:59:59", "2025-03-30T00:59:59+00:00"],
  ["Europe/Zurich", "2025-03-30T02:30:00", "2025-03-30T01:30:00+00:00"],
  ["Europe/Zurich", "2025-03-30T03:00:00", "2025-03-30T01:00:00+00:00"],
  ["Europe/Zurich", "2025-10-26T01:59:59", "2025-10-25T23:59:59+00:00"],
  ["Europe/Zurich", "2025-10-26T02:30:00", "2025-10-26T01:30:00+00:00"],
  ["Europe/Zurich", "2025-10-26T03:00:00", "2025-10-26T02:00:00+00:00"],
  ["Australia/Lord_Howe", "2025-10-05T02:10:00", "2025-10-04T15:40:00+00:00"],
  ["Australia/Lord_Howe", "2025-04-06T01:45:00", "2025-04-05T15:15:00+00:00"],
  ["America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T03:00:00+00:00"],
  [-12_600, "2025-01-01T00:00:00", "2025-01-01T03:30:00+00:00"],
] as const)("in %s the clock shows %s at %s: the second time, and a skipped time counted on", ([zone, wall, utc]) => {
  expect(found(zone, wall)).toBe(utc);
});

test("what a clock shows is found again, or is shown twice", () => {
  const zones = fc.constantFrom(
    "Europe/Zurich",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
    "UTC",
  );
  const moments = fc
    .integer({ min: 1_400_000_000, max: 1_900_000_000 })
    .map((seconds) => seconds * 1_000_000 + 123_456);
  fc.assert(
    fc.property(zones, moments, (zone, moment) => {
      const clock = wallClock(zone);
      if (clock === undefined) throw new Error(zone);
      const again = clock.find(clock.show(moment));

      expect(clock.show(again)).toBe(clock.show(moment));
      expect(again).toBeGreaterThanOrEqual(moment);
    }),
  );
});

test.for(["Mars/Olympus", "", "+01:00", "../etc"])("the zone %s is not known", (zone) => {
  expect(wallClock(zone)).toBeUndefined();
});
