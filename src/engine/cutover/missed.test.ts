import { expect, test } from "vitest";
import { formatMicros, parseMicros } from "../../airflow/timetables/micros.ts";
import type { Timetable } from "../../airflow/timetables/timetable.ts";
import type { AutomatedRun } from "./automated-run.ts";
import { type MissedInput, missedRuns, windowsOf } from "./missed.ts";

const at = (time: string) => parseMicros(`2025-03-01T${time}Z`) ?? 0;
const MINUTELY: Timetable = { kind: "cron-interval", expression: "* * * * *", zone: "UTC" };

/** A minutely run that was made for that minute. */
function aRun(tick: string, side: "source" | "target" = "source"): AutomatedRun {
  const end = at(tick);
  const start = end - 60_000_000;
  const interval = { start, end };
  return { side, runId: tick, logicalDate: start, interval, state: "success", startedAt: end, cleared: 0 };
}

function missed(differences: Partial<MissedInput>, timetable = MINUTELY): readonly string[] | string {
  const found = missedRuns({
    schedule: { release: "3.3.2", timetable, restriction: { earliest: at("00:00:00"), latest: null, catchup: false } },
    runs: [aRun("10:00:00")],
    windows: [{ from: at("10:00:10"), to: at("10:03:30") }],
    next: at("10:04:00"),
    ...differences,
  });
  return found.ok ? found.runs.map(({ runAfter }) => formatMicros(runAfter).slice(11, 16)) : found.reason;
}

test("ticks that passed while a DAG was on its way, and that its owner has gone past, were missed", () => {
  expect(missed({})).toEqual(["10:01", "10:02", "10:03"]);
});

test("what the owner will still run is not missed", () => {
  expect(missed({ next: at("10:03:00") })).toEqual(["10:01", "10:02"]);
  expect(missed({ next: null })).toEqual([]);
});

test("what either side has run is not missed", () => {
  const runs = [aRun("10:00:00"), aRun("10:01:00"), aRun("10:03:00", "target"), aRun("10:05:00", "target")];

  expect(missed({ runs, next: null })).toEqual(["10:02"]);
});

test("what was left out before or after is no matter of the switch", () => {
  const runs = [aRun("09:50:00"), aRun("10:10:00", "target")];

  expect(missed({ runs, next: at("10:20:00") })).toEqual(["10:01", "10:02", "10:03"]);
});

test("a DAG that never ran has missed nothing, and a timetable of its own can not be told", () => {
  expect(missed({ runs: [] })).toEqual([]);
  expect(missed({}, { kind: "custom", className: "mine.Timetable" })).toMatch(/mine\.Timetable/);
});

test("the next interval of a trigger timetable has no length", () => {
  const found = missedRuns({
    schedule: {
      release: "3.3.2",
      timetable: {
        kind: "cron-trigger",
        expression: "* * * * *",
        zone: "UTC",
        interval: { months: 0, days: 0, elapsed: 0 },
        runImmediately: false,
      },
      restriction: { earliest: null, latest: null, catchup: false },
    },
    runs: [aRun("10:00:00")],
    windows: [{ from: at("10:00:10"), to: at("10:01:30") }],
    next: at("10:02:00"),
  });

  expect(found).toMatchObject({ runs: [{ logicalDate: at("10:01:00"), interval: { start: at("10:01:00") } }] });
});

test("a window is from the drain to the unpause, of every switch that has ended", () => {
  const record = [
    ["ready", "10:00:00"],
    ["draining", "10:00:01"],
    ["paused", "10:00:02"],
    ["draining", "10:00:03"],
    ["paused", "10:00:04"],
    ["live", "10:00:05"],
    ["live", "10:00:06"],
    ["live", "11:00:00"],
    ["draining", "12:00:00"],
    ["reversed", "12:00:01"],
    ["draining", "13:00:00"],
  ] as const;

  expect(windowsOf(record.map(([state, time]) => ({ state, at: `2025-03-01T${time}Z` })))).toEqual([
    { from: at("10:00:01"), to: at("10:00:06") },
    { from: at("12:00:00"), to: at("12:00:01") },
  ]);
});
