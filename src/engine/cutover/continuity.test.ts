import { expect, test } from "vitest";
import { parseMicros } from "../../airflow/timetables/micros.ts";
import type { DataInterval, Micros, Timetable } from "../../airflow/timetables/timetable.ts";
import type { AutomatedRun, SideName } from "./automated-run.ts";
import { type Continuity, type ContinuityInput, checkContinuity } from "./continuity.ts";

const DAY = 86_400_000_000;
const HOURLY: Timetable = { kind: "cron-interval", expression: "0 * * * *", zone: "UTC" };
const TRIGGER: Timetable = {
  ...HOURLY,
  kind: "cron-trigger",
  interval: { months: 0, days: 0, elapsed: 0 },
  runImmediately: false,
};

function at(text: string): Micros {
  const value = parseMicros(`2025-01-01T${text}:00Z`);
  if (value === undefined) throw new Error(text);
  return value;
}

function hours(from: string, to: string): DataInterval {
  return { start: at(from), end: at(to) };
}

function aRun(side: SideName, interval: DataInterval, differences: Partial<AutomatedRun> = {}): AutomatedRun {
  return {
    side,
    runId: `scheduled__${interval.start}`,
    logicalDate: interval.start,
    interval,
    state: "success",
    startedAt: interval.end,
    cleared: 0,
    ...differences,
  };
}

/** A run that the source did, and its copy. */
function copied(interval: DataInterval, differences: Partial<AutomatedRun> = {}): readonly AutomatedRun[] {
  return [aRun("source", interval), aRun("target", interval, differences)];
}

function check(
  runs: readonly AutomatedRun[],
  differences: Partial<ContinuityInput> & { catchup?: boolean; target?: Timetable } = {},
): Continuity {
  const { catchup = true, target = HOURLY, ...rest } = differences;
  const restriction = { earliest: null, latest: null, catchup };
  return checkContinuity({
    dagId: "hourly",
    runs,
    schedules: {
      source: { release: "2.10.5", timetable: HOURLY, restriction },
      target: { release: "3.3.2", timetable: target, restriction },
    },
    owners: [
      { owner: "source", from: at("00:00") },
      { owner: "target", from: at("03:30") },
    ],
    now: at("00:00") + DAY,
    ...rest,
  });
}

function kinds({ deviations }: Continuity): readonly string[] {
  return deviations.map(({ kind, tick }) => `${kind} ${new Date(tick / 1000).toISOString().slice(11, 16)}`);
}

const HALF = [...copied(hours("01:00", "02:00")), ...copied(hours("02:00", "03:00"))];

test("copies and later runs of the target follow each other", () => {
  const result = check([...HALF, aRun("target", hours("03:00", "04:00")), aRun("target", hours("04:00", "05:00"))]);

  expect(result).toMatchObject({
    rule: "ticks",
    ticks: 4,
    ran: 4,
    deviations: [],
    isContinuous: true,
    notComputable: null,
  });
});

test("a tick is the same on both sides of an interval switch", () => {
  const zeroLength = hours("04:00", "04:00");

  expect(check([...HALF, aRun("target", zeroLength)], { target: TRIGGER }).deviations).toEqual([]);
});

test("the interval that a switch to trigger timetables leaves out is a gap", () => {
  expect(kinds(check([...HALF, aRun("target", hours("05:00", "05:00"))], { target: TRIGGER }))).toEqual(["gap 04:00"]);
});

test("a tick without a run is a gap with catchup, and skipped without", () => {
  const runs = [...HALF, aRun("target", hours("04:00", "05:00"))];

  expect(kinds(check(runs))).toEqual(["gap 04:00"]);
  expect(check(runs).isContinuous).toBe(false);
  expect(kinds(check(runs, { catchup: false }))).toEqual(["skipped 04:00"]);
  expect(check(runs, { catchup: false })).toMatchObject({ isContinuous: true, ticks: 4, ran: 3 });
});

test("two runs of one tick on one side are a double, whatever their ids", () => {
  const again = aRun("target", hours("04:00", "04:00"), { runId: "scheduled__other" });

  expect(kinds(check([...HALF, aRun("target", hours("03:00", "04:00")), again]))).toEqual(["double 04:00"]);
});

test("a tick that both sides began for themselves is told from a copy and from a clear", () => {
  const [own, later] = [hours("03:00", "04:00"), at("04:00") + 1];

  expect(kinds(check([...HALF, ...copied(own, { startedAt: later })]))).toEqual(["both-sides 04:00"]);
  expect(kinds(check([...HALF, ...copied(own, { startedAt: later, cleared: 1 })]))).toEqual([]);
});

test("a run of the side that did not own the DAG is told", () => {
  const runs = [...HALF, aRun("target", hours("03:00", "04:00")), aRun("source", hours("04:00", "05:00"))];

  expect(kinds(check(runs))).toEqual(["wrong-side 05:00"]);
});

test("a run at no tick is shown and is nothing wrong", () => {
  const result = check([...HALF, aRun("target", hours("03:00", "03:40")), aRun("target", hours("03:00", "04:00"))]);

  expect(kinds(result)).toEqual(["off-schedule 03:40"]);
  expect(result.isContinuous).toBe(true);
});

test("runs without intervals, as before 2.2, get them from the schedule", () => {
  const runs = [hours("01:00", "02:00"), hours("02:00", "03:00")].map((each) =>
    aRun("source", each, { interval: null }),
  );

  expect(check([...runs, aRun("target", hours("03:00", "04:00"))])).toMatchObject({ ran: 3, deviations: [] });
});

test("ticks before the first owner's time are not looked at", () => {
  const early = aRun("source", { start: at("00:00") - DAY, end: at("00:00") - DAY / 2 });

  expect(check([early, ...HALF])).toMatchObject({ ran: 2, deviations: [] });
});

test("a continuous DAG's runs begin where the last one ended", () => {
  const target: Timetable = { kind: "continuous" };
  const runs = [...HALF, aRun("target", hours("03:10", "04:20"))];

  expect(kinds(check(runs, { target }))).toEqual(["gap 04:20"]);
  expect(kinds(check([...HALF, aRun("target", hours("03:00", "04:20"))], { target }))).toEqual([]);
});

test("of a custom timetable only doubles are told, with the reason", () => {
  const target: Timetable = { kind: "custom", className: "my.Timetable" };
  const runs = [...HALF, aRun("target", hours("07:00", "08:00")), aRun("target", hours("07:30", "08:00"))];

  expect(check(runs, { target })).toMatchObject({ rule: "no-run-twice", deviations: [{ kind: "double" }] });
});

test("a schedule that can not be computed is said to be so", () => {
  const target: Timetable = { kind: "cron-interval", expression: "H * * * *", zone: "UTC" };

  expect(check(HALF, { target })).toMatchObject({ rule: "no-run-twice", notComputable: expect.stringContaining("H") });
});

test("a DAG that runs once ran twice where two ticks have runs", () => {
  expect(kinds(check(HALF, { target: { kind: "once" } }))).toEqual(["double 03:00"]);
});
