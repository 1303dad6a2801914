import { expect, test } from "vitest";
import type { Timetable } from "../../airflow/timetables/timetable.ts";
import { describeSchedule, sameSchedule } from "./gate-code.ts";

const NO_DELTA = { months: 0, days: 0, elapsed: 0 };

function aCron(expression: string, zone = "UTC"): Timetable {
  return { kind: "cron-interval", expression, zone };
}

function aTrigger(expression: string): Timetable {
  return { kind: "cron-trigger", expression, zone: "UTC", interval: NO_DELTA, runImmediately: false };
}

const EVERY_26_HOURS = { ...NO_DELTA, elapsed: 26 * 3_600_000_000 };

// Both forms as 2.10.5 and 3.3.2 serialise one DAG file.
test.for<readonly [string, Timetable, Timetable]>([
  ["a preset", aCron("@daily"), aTrigger("0 0 * * *")],
  ["names of days", aCron("0 6 * * MON"), aTrigger("0 6 * * 1")],
  [
    "a delta",
    { kind: "delta-interval", delta: EVERY_26_HOURS },
    { kind: "delta-trigger", delta: EVERY_26_HOURS, interval: NO_DELTA },
  ],
  [
    "a time beside assets",
    { kind: "assets-or-time", time: aCron("@daily") },
    { kind: "assets-or-time", time: aTrigger("@daily") },
  ],
])("%s is the same schedule on both sides of an interval switch", ([, source, target]) => {
  expect(sameSchedule(source)).toBe(sameSchedule(target));
});

test.for<readonly [string, Timetable, Timetable]>([
  ["another cron", aCron("0 0 * * *"), aCron("0 1 * * *")],
  ["none", aCron("0 0 * * *"), { kind: "manual" }],
  ["another class", { kind: "custom", className: "a.T" }, { kind: "custom", className: "b.T" }],
  ["a cron that can not be read", aCron("H * * * *"), aCron("H 1 * * *")],
  ["another delta", { kind: "delta-interval", delta: EVERY_26_HOURS }, { kind: "delta-interval", delta: NO_DELTA }],
])("%s is another schedule", ([, source, target]) => {
  expect(sameSchedule(source)).not.toBe(sameSchedule(target));
});

test("the zone is told apart from the schedule", () => {
  expect(sameSchedule(aCron("@daily"))).toBe(sameSchedule(aCron("@daily", "Europe/Berlin")));
});

test("a delta is told with the units it has", () => {
  const delta = { months: 1, days: 0, elapsed: 90_000_000 };

  expect(describeSchedule({ kind: "delta-interval", delta })).toBe("every 1 months 90 s");
});
