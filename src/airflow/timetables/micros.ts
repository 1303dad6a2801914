import type { Delta, Micros } from "./timetable.ts";

/** Microseconds of one second. */
export const SECOND = 1_000_000;

const DAY = 86_400 * SECOND;

/** The moment of an ISO 8601 text with offset (`2025-01-01T00:00:00.123456+00:00`, Postgres's form too), or undefined where it is none. */
export function parseMicros(text: string): Micros | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}(?::?\d{2})?)$/.exec(text);
  if (match === null) return undefined;
  const [, date = "", time = "", fraction = "", offset = ""] = match;
  const zone = offset.length === 3 ? `${offset}:00` : offset.replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  const milliseconds = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(milliseconds) ? undefined : milliseconds * 1000 + Number(fraction.padEnd(6, "0"));
}

/** As Python's `isoformat()` writes a moment in UTC: `2025-01-01T00:00:00+00:00`, with six digits where there is a fraction. */
export function formatMicros(at: Micros): string {
  const fraction = modulo(at, SECOND);
  const seconds = new Date((at - fraction) / 1000).toISOString().slice(0, 19);
  return `${seconds}${fraction === 0 ? "" : `.${String(fraction).padStart(6, "0")}`}+00:00`;
}

/** The remainder that is never negative, as Python's `%`. */
export function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** A moment and `times` (1 or -1) a delta: months first, cut to the length of the month, then days and elapsed time, all in UTC. */
export function addDelta(at: Micros, delta: Delta, times: 1 | -1): Micros {
  const moved = delta.months === 0 ? at : addMonths(at, times * delta.months);
  return moved + times * (delta.days * DAY + delta.elapsed);
}

function addMonths(at: Micros, months: number): Micros {
  const timeOfDay = modulo(at, DAY);
  const day = new Date((at - timeOfDay) / 1000);
  const [year, month] = [day.getUTCFullYear(), day.getUTCMonth() + months];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return Date.UTC(year, month, Math.min(day.getUTCDate(), last)) * 1000 + timeOfDay;
}

/**
 * How long a delta is to the rounding of delta timetables: years of 365 days, months of 30 (`_relativedelta_in_seconds` of
 * airflow.timetables.interval, which leaves out microseconds of a relativedelta).
 */
export function nominalLength(delta: Delta): number {
  const years = Math.trunc(delta.months / 12);
  return (years * 365 + (delta.months - years * 12) * 30 + delta.days) * DAY + delta.elapsed;
}
