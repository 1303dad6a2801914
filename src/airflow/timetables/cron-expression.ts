/** What a cron expression says, in croniter's dialect, as numbers. A list that names every value of its field is null: any. */
export interface CronFields {
  readonly minutes: readonly number[] | null;
  readonly hours: readonly number[] | null;
  /** `L` is the last day of the month. */
  readonly days: readonly (number | "L")[] | null;
  readonly months: readonly number[] | null;
  /** Sunday is 0. */
  readonly weekdays: readonly number[] | null;
  /** `5#2`: the second Friday; `5#L`: the last. Instead of weekdays. */
  readonly nthWeekdays: readonly string[];
  /** Croniter's sixth field is the seconds. */
  readonly seconds: readonly number[] | null;
}

/** An expression that is read, or why it is not: then nothing is computed from it. */
export type ParsedCron =
  | { readonly ok: true; readonly fields: CronFields }
  | { readonly ok: false; readonly reason: string };

/** Airflow's own (`cron_presets` of airflow.utils.dates), then those that croniter knows besides. */
const PRESETS: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@quarterly": "0 0 1 */3 *",
  "@yearly": "0 0 1 1 *",
  "@midnight": "0 0 * * *",
  "@annually": "0 0 1 1 *",
};

interface FieldKind {
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
  /** The number of the first name. */
  readonly firstName: number;
  /** What another number is the same as: Sunday is 0 and 7; croniter takes day 0 and month 0 for the first. */
  readonly same: Readonly<Record<number, number>>;
  /** As many different values are all there are. */
  readonly all: number;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const numeric = { names: [], firstName: 0, same: {} } as const;
const MINUTE: FieldKind = { ...numeric, low: 0, high: 59, all: 60 };
const HOUR: FieldKind = { ...numeric, low: 0, high: 23, all: 24 };
const DAY: FieldKind = { ...numeric, low: 1, high: 31, same: { 0: 1 }, all: 31 };
const MONTH: FieldKind = { low: 1, high: 12, names: MONTHS, firstName: 1, same: { 0: 1 }, all: 12 };
const WEEKDAY: FieldKind = { low: 0, high: 7, names: WEEKDAYS, firstName: 0, same: { 7: 0 }, all: 7 };

/** Stops the reading of an expression; never leaves this file. */
class Unreadable extends Error {}

/**
 * Reads a cron expression as croniter does (`_expand` of croniter 1.3 to 6): five fields, or six with the seconds last; names, steps, ranges
 * around the end, `L`, `5#2`, `L5`. Hashed (`H`) and random (`R`) fields and years depend on more than the expression.
 */
export function parseCron(expression: string): ParsedCron {
  const fields = (PRESETS[expression] ?? expression).toLowerCase().split(/\s+/).filter(Boolean);
  if (fields.length !== 5 && fields.length !== 6) {
    return { ok: false, reason: `"${expression}" has ${fields.length} fields, and only five or six can be computed` };
  }
  try {
    return { ok: true, fields: readFields(fields) };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ok: false, reason: `"${expression}": ${error.message}` };
  }
}

function readFields(fields: readonly string[]): CronFields {
  const [minute = "", hour = "", day = "", month = "", weekday = "", second = "0"] = fields;
  const isNth = /[#l]/.test(weekday);
  const read: CronFields = {
    minutes: readList(minute, MINUTE),
    hours: readList(hour, HOUR),
    days: readDays(day),
    months: readList(month, MONTH),
    weekdays: isNth ? null : readList(weekday, WEEKDAY),
    nthWeekdays: isNth ? weekday.split(",").flatMap(readNth) : [],
    seconds: readList(second, MINUTE),
  };
  if (isNth && read.days !== null)
    throw new Unreadable("releases of croniter differ in days of the month with an nth weekday");
  return read;
}

function readDays(text: string): CronFields["days"] {
  const parts = text.split(",");
  const rest = parts.filter((part) => part !== "l").map((part) => part.replace(/-l(?=$|\/)/, "-31"));
  const days = rest.length === 0 ? [] : readList(rest.join(","), DAY);
  if (days === null) return null;
  return rest.length === parts.length ? days : [...days, "L"];
}

function readNth(part: string): readonly string[] {
  const last = /^l([0-7])$/.exec(part)?.[1];
  if (last !== undefined) return [`${valueOf(last, WEEKDAY)}#L`];
  const [, days, nth] = /^([\w-]+)#([1-5])$/.exec(part) ?? [];
  if (days === undefined || nth === undefined) throw new Unreadable(`the weekday ${part} can not be computed`);
  return elementValues(days, WEEKDAY).map((day) => `${day}#${nth}`);
}

function readList(text: string, kind: FieldKind): readonly number[] | null {
  const values = text
    .split(",")
    .flatMap((element) => (element === "*" ? [...everyOf(kind)] : elementValues(element, kind)));
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return sorted.length === kind.all ? null : sorted;
}

function* everyOf(kind: FieldKind): Generator<number> {
  for (let value = kind.low; value <= kind.high; value++) yield canonical(value, kind);
}

function canonical(value: number, kind: FieldKind): number {
  return kind.same[value] ?? value;
}

function valueOf(text: string, kind: FieldKind): number {
  const name = kind.names.indexOf(text);
  const value = name >= 0 ? name + kind.firstName : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(canonical(value, kind) >= kind.low && value <= kind.high)) throw new Unreadable(`${text} can not be computed`);
  return value;
}

function elementValues(element: string, kind: FieldKind): readonly number[] {
  const [, range = "", stepText] = /^([^/]+)(?:\/(\d+))?$/.exec(element) ?? [];
  const step = stepText === undefined ? 1 : Number(stepText);
  if (range === "" || step < 1) throw new Unreadable(`${element} can not be computed`);
  const [from = "", to, more] = range === "*" ? [String(kind.low), String(kind.high)] : range.split("-");
  if (more !== undefined) throw new Unreadable(`${element} can not be computed`);
  const low = valueOf(from, kind);
  if (to === undefined && stepText === undefined) return [canonical(low, kind)];
  const high = to === undefined ? kind.high : valueOf(to, kind);
  return rangeValues({ low, high, step }, kind).map((value) => canonical(value, kind));
}

function rangeValues(range: { low: number; high: number; step: number }, kind: FieldKind): readonly number[] {
  const { low, high, step } = range;
  // Around the end: 22-2 is 22, 23, 0, 1, 2. Only a croniter that takes it lets such a DAG into the database.
  const around = high < low ? kind.all : 0;
  const values: number[] = [];
  for (let value = low; value <= high + around; value += step) {
    values.push(value > kind.high ? value - kind.all : value);
  }
  return values;
}
