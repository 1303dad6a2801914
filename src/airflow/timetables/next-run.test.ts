import { expect, test } from "vitest";
import { formatMicros, parseMicros } from "./micros.ts";
import { nextRun } from "./next-run.ts";
import { tickChain } from "./ticks.ts";
import type { Micros, Timetable } from "./timetable.ts";

// More than a thousand schedules are compared with genuine Airflows in test/airflow/timetables.test.ts; these are facts of theirs to keep at hand.

function at(text: string): Micros {
  const value = parseMicros(text);
  if (value === undefined) throw new Error(text);
  return value;
}

function nextTick(timetable: Timetable, release: string, from: string): string | undefined {
  const chain = tickChain(timetable, release);
  const tick = chain.ok ? chain.next(at(from)) : Number.NaN;
  return Number.isFinite(tick) ? formatMicros(tick) : undefined;
}

function cron(expression: string, zone: string): Timetable {
  return { kind: "cron-interval", expression, zone };
}

test("a cron of single hours keeps to the wall, one of every hour to elapsed time, where clocks are set back", () => {
  const hourly = cron("30 * * * *", "Europe/Zurich");
  const nightly = cron("30 2 * * *", "Europe/Zurich");

  expect(nextTick(hourly, "2.10.5", "2025-10-26T00:30:00Z")).toBe("2025-10-26T01:30:00+00:00");
  expect(nextTick(nightly, "2.10.5", "2025-10-25T00:30:00Z")).toBe("2025-10-26T01:30:00+00:00");
});

test("before 2.8 every cron of more than one time counts elapsed time", () => {
  const twoHourly = cron("0 */2 * * *", "Europe/Zurich");

  expect(nextTick(twoHourly, "2.7.3", "2025-10-26T00:00:00Z")).toBe("2025-10-26T02:00:00+00:00");
  expect(nextTick(twoHourly, "2.10.5", "2025-10-25T22:00:00Z")).toBe("2025-10-26T01:00:00+00:00");
});

test("an hourly cron gets no further where clocks change by half an hour", () => {
  expect(nextTick(cron("0 * * * *", "Australia/Lord_Howe"), "2.10.5", "2025-10-04T16:00:00Z")).toBeUndefined();
});

test.for<readonly [string, string]>([
  ["2.2.5", "2024-12-31T08:00:30+00:00"],
  ["2.10.5", "2024-12-31T00:00:00+00:00"],
])("without catchup a daily delta of %s begins %s", ([release, begins]) => {
  const next = nextRun(
    { kind: "delta-interval", delta: { months: 0, days: 0, elapsed: 86_400_000_000 } },
    {
      release,
      lastAutomated: null,
      restriction: { earliest: at("2024-06-01T12:00:00Z"), latest: null, catchup: false },
      now: at("2025-01-01T08:00:30Z"),
    },
  );

  expect(next).toMatchObject({ state: "due", run: { logicalDate: at(begins) } });
});

test.for<readonly [string, string, string]>([
  ["H 3 * * *", "UTC", "can not be computed"],
  ["0 0 31 * *", "UTC", "croniter before 7"],
  ["0 0 * * *", "Mars/Olympus", "not known here"],
  ["0 0 30 2 *", "UTC", "croniter before 7"],
])("%s in %s is not computed: %s", ([expression, zone, reason]) => {
  const restriction = { earliest: at("2025-01-01T00:00:00Z"), latest: null, catchup: true };

  const next = nextRun(cron(expression, zone), {
    release: "2.10.5",
    lastAutomated: null,
    restriction,
    now: restriction.earliest,
  });

  expect(next).toEqual({ state: "not-computable", reason: expect.stringContaining(reason) });
});
