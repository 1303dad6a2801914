import { expect, test } from "vitest";
import { readSchedule } from "./read-schedule.ts";
import { underSwitches } from "./read-timetable.ts";

const TASK = { task_id: "a" };

function read(dag: object, release = "2.10.5") {
  return readSchedule(
    { __version: 1, dag: { _dag_id: "x", timezone: "Europe/Zurich", tasks: [TASK], ...dag } },
    { release },
  );
}

test("a 2.x DAG keeps a cron as its class, and a preset or delta as it was given", () => {
  const named = {
    __type: "airflow.timetables.interval.CronDataIntervalTimetable",
    __var: { expression: "0 0 * * *", timezone: "UTC" },
  };

  expect(read({ timetable: named })?.timetable).toEqual({
    kind: "cron-interval",
    expression: "0 0 * * *",
    zone: "UTC",
  });
  expect(read({ schedule_interval: "@daily" })?.timetable).toEqual({
    kind: "cron-interval",
    expression: "@daily",
    zone: "Europe/Zurich",
  });
  expect(read({ schedule_interval: { __type: "timedelta", __var: 86_400 } })?.timetable).toEqual({
    kind: "delta-interval",
    delta: { months: 0, days: 0, elapsed: 86_400_000_000 },
  });
  expect(read({ schedule_interval: { __type: "relativedelta", __var: { months: 1, hours: 2 } } })?.timetable).toEqual({
    kind: "delta-interval",
    delta: { months: 1, days: 0, elapsed: 7_200_000_000 },
  });
});

test("a delta that sets a weekday, and a class that is not Airflow's own, are custom", () => {
  const custom = { __type: "company.timetables.Nightly", __var: {} };

  expect(read({ schedule_interval: { __type: "relativedelta", __var: { weekday: [0] } } })?.timetable.kind).toBe(
    "custom",
  );
  expect(read({ timetable: custom })?.timetable).toEqual({ kind: "custom", className: "company.timetables.Nightly" });
});

test("a time schedule beside datasets is read, and a custom one beside them stays unknown", () => {
  const beside = (timetable: object) => ({
    timetable: {
      __type: "airflow.timetables.datasets.DatasetOrTimeSchedule",
      __var: { timetable, dataset_condition: {} },
    },
  });

  expect(read(beside({ __type: "airflow.timetables.simple.OnceTimetable", __var: {} }))?.timetable).toEqual({
    kind: "assets-or-time",
    time: { kind: "once" },
  });
  expect(read(beside({ __type: "company.T", __var: {} }))?.timetable.kind).toBe("custom");
});

test("dates of tasks count: the earliest start, and the end that the release takes", () => {
  const tasks = [
    { ...TASK, start_date: 50, end_date: 900 },
    { __type: "operator", __var: { task_id: "b", partial_kwargs: { start_date: { __type: "datetime", __var: 20 } } } },
  ];

  expect(read({ start_date: 100, tasks }, "2.2.5")?.restriction).toEqual({
    earliest: 20_000_000,
    latest: 900_000_000,
    catchup: true,
  });
  expect(read({ start_date: 100, tasks, catchup: false }, "2.10.5")?.restriction).toEqual({
    earliest: 20_000_000,
    latest: null,
    catchup: false,
  });
});

test("other switches make another class of a plain cron, and leave one with an interval of its own", () => {
  const off = { cronDataIntervals: false, deltaDataIntervals: false };
  const plain = read({ schedule_interval: "@daily" })?.timetable ?? { kind: "manual" };
  const own = read({
    timetable: {
      __type: "airflow.timetables.trigger.CronTriggerTimetable",
      __var: { expression: "0 0 * * *", timezone: "UTC", interval: 3600 },
    },
  })?.timetable ?? { kind: "manual" };

  expect(underSwitches(plain, off).kind).toBe("cron-trigger");
  expect(underSwitches(underSwitches(plain, off), { cronDataIntervals: true, deltaDataIntervals: true })).toEqual(
    plain,
  );
  expect(underSwitches(own, { cronDataIntervals: true, deltaDataIntervals: true })).toEqual(own);
});

test("what is no serialised DAG has no schedule", () => {
  for (const data of [null, [], "x", {}, { dag: null }])
    expect(readSchedule(data, { release: "3.3.2" })).toBeUndefined();
});
