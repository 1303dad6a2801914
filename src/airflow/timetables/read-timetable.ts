import { parseMicros, SECOND } from "./micros.ts";
import type { Switches } from "./rules.ts";
import type { Delta, RunImmediately, Timetable, Zone } from "./timetable.ts";

/** An object of parsed JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** True for an object; an array is none. */
export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Unwraps `{"__type": .., "__var": ..}`, which 2.x and 3.x put around some values and not around others. */
export function unwrap(value: unknown): unknown {
  return isJson(value) && "__var" in value ? value["__var"] : value;
}

/** No step at all: the interval of a trigger timetable without one. */
const NO_DELTA: Delta = { months: 0, days: 0, elapsed: 0 };

/** A delta as Airflow serialises it: seconds, or the fields of a relativedelta. Undefined for one that sets fields, such as a weekday. */
function readDelta(value: unknown): Delta | undefined {
  const plain = unwrap(value);
  if (typeof plain === "number") return { ...NO_DELTA, elapsed: Math.round(plain * SECOND) };
  if (!isJson(plain)) return undefined;
  const units = new Map(Object.entries(plain).map(([name, amount]) => [name, Number(amount)]));
  const known = ["years", "months", "days", "hours", "minutes", "seconds", "microseconds", "leapdays"];
  if ([...units].some(([name, amount]) => !known.includes(name) || !Number.isInteger(amount))) return undefined;
  const of = (name: string): number => units.get(name) ?? 0;
  if (of("leapdays") !== 0) return undefined;
  const seconds = (of("hours") * 60 + of("minutes")) * 60 + of("seconds");
  return {
    months: of("years") * 12 + of("months"),
    days: of("days"),
    elapsed: seconds * SECOND + of("microseconds"),
  };
}

/** A serialised time zone; UTC where there is none. */
export function readZone(value: unknown): Zone {
  const plain = unwrap(value);
  return typeof plain === "string" || typeof plain === "number" ? plain : "UTC";
}

function readRunImmediately(value: unknown): RunImmediately {
  return typeof value === "number" ? { within: Math.round(value * SECOND) } : value === true;
}

type ClassReader = (fields: Json) => Timetable | undefined;

function cronTriggerParts(fields: Json) {
  const interval = readDelta(fields["interval"]);
  if (interval === undefined) return undefined;
  return {
    zone: readZone(fields["timezone"]),
    interval,
    runImmediately: readRunImmediately(fields["run_immediately"]),
  };
}

const readCronTrigger: ClassReader = (fields) => {
  const parts = cronTriggerParts(fields);
  if (parts === undefined) return undefined;
  return { kind: "cron-trigger", expression: String(fields["expression"]), ...parts };
};

const readCronTriggers: ClassReader = (fields) => {
  const parts = cronTriggerParts(fields);
  const expressions = fields["expressions"];
  if (parts === undefined || !Array.isArray(expressions)) return undefined;
  return { kind: "cron-triggers", expressions: expressions.map(String), ...parts };
};

const readDeltaTrigger: ClassReader = (fields) => {
  const [delta, interval] = [readDelta(fields["delta"]), readDelta(fields["interval"])];
  return delta === undefined || interval === undefined ? undefined : { kind: "delta-trigger", delta, interval };
};

const readDeltaInterval: ClassReader = (fields) => {
  const delta = readDelta(fields["delta"]);
  return delta === undefined ? undefined : { kind: "delta-interval", delta };
};

const readEvents: ClassReader = ({ event_dates: dates }) => {
  if (!Array.isArray(dates)) return undefined;
  const moments = dates.map((date) => parseMicros(String(unwrap(date))));
  return moments.includes(undefined)
    ? undefined
    : { kind: "events", dates: moments.filter((each) => each !== undefined) };
};

const readAssetsOrTime: ClassReader = ({ timetable }) => {
  const time = readClass(timetable);
  return time.kind === "custom" ? undefined : { kind: "assets-or-time", time };
};

const readCronInterval: ClassReader = (fields) => ({
  kind: "cron-interval",
  expression: String(fields["expression"]),
  zone: readZone(fields["timezone"]),
});

/** Airflow's own classes, by module below airflow.timetables and name, from 2.2 to today. */
const CLASSES: Readonly<Record<string, ClassReader>> = {
  "interval.CronDataIntervalTimetable": readCronInterval,
  "interval.DeltaDataIntervalTimetable": readDeltaInterval,
  "trigger.CronTriggerTimetable": readCronTrigger,
  "trigger.MultipleCronTriggerTimetable": readCronTriggers,
  "trigger.DeltaTriggerTimetable": readDeltaTrigger,
  "simple.OnceTimetable": () => ({ kind: "once" }),
  "simple.ContinuousTimetable": () => ({ kind: "continuous" }),
  "simple.NullTimetable": () => ({ kind: "manual" }),
  "simple.PartitionAtRuntime": () => ({ kind: "manual" }),
  "simple.DatasetTriggeredTimetable": () => ({ kind: "assets" }),
  "simple.AssetTriggeredTimetable": () => ({ kind: "assets" }),
  "simple.PartitionedAssetTimetable": () => ({ kind: "assets" }),
  "datasets.DatasetOrTimeSchedule": readAssetsOrTime,
  "assets.AssetOrTimeSchedule": readAssetsOrTime,
  "events.EventsTimetable": readEvents,
};

/** A serialised timetable: `{"__type": class, "__var": its parts}`. */
export function readClass(value: unknown): Timetable {
  const name = isJson(value) ? String(value["__type"]) : "";
  const fields = isJson(value) && isJson(value["__var"]) ? value["__var"] : {};
  const reader = name.startsWith("airflow.timetables.") ? CLASSES[name.slice("airflow.timetables.".length)] : undefined;
  return reader?.(fields) ?? { kind: "custom", className: name };
}

const WORDS: Readonly<Record<string, Timetable>> = {
  "@once": { kind: "once" },
  "@continuous": { kind: "continuous" },
};

/** A `schedule_interval` that is no timetable: the class that an Airflow with those switches makes of it (`create_timetable`). */
export function readPlain(value: unknown, zone: Zone, switches: Switches): Timetable {
  if (value === null || value === undefined || value === "None") return { kind: "manual" };
  if (typeof value === "string") return WORDS[value] ?? cronOf(value, zone, switches);
  const delta = readDelta(value);
  return delta === undefined ? { kind: "custom", className: "relativedelta" } : deltaOf(delta, switches);
}

function cronOf(expression: string, zone: Zone, switches: Switches): Timetable {
  if (switches.cronDataIntervals) return { kind: "cron-interval", expression, zone };
  return { kind: "cron-trigger", expression, zone, interval: NO_DELTA, runImmediately: false };
}

function deltaOf(delta: Delta, switches: Switches): Timetable {
  return switches.deltaDataIntervals
    ? { kind: "delta-interval", delta }
    : { kind: "delta-trigger", delta, interval: NO_DELTA };
}

function hasNoLength(delta: Delta): boolean {
  return delta.months === 0 && delta.days === 0 && delta.elapsed === 0;
}

/**
 * What another environment makes of a schedule that is a plain string or delta in the DAG file. Both forms of a serialised cron look alike
 * whether the file gives a string or names the class; a class with parts that a string does not give stays what it is.
 */
export function underSwitches(timetable: Timetable, switches: Switches): Timetable {
  switch (timetable.kind) {
    case "cron-interval":
      return cronOf(timetable.expression, timetable.zone, switches);
    case "cron-trigger":
      return hasNoLength(timetable.interval) && timetable.runImmediately === false
        ? cronOf(timetable.expression, timetable.zone, switches)
        : timetable;
    case "delta-interval":
      return deltaOf(timetable.delta, switches);
    case "delta-trigger":
      return hasNoLength(timetable.interval) ? deltaOf(timetable.delta, switches) : timetable;
    case "cron-triggers":
    case "once":
    case "continuous":
    case "manual":
    case "assets":
    case "events":
    case "custom":
      break;
    case "assets-or-time":
      return { kind: "assets-or-time", time: underSwitches(timetable.time, switches) };
  }
  return timetable;
}
