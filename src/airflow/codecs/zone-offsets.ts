import type { PyDateTime } from "./python-value.ts";

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar, which is Python's. */
export function epochDay(year: number, month: number, day: number): number {
  // Years below 100 mean 19xx to Date.UTC; 400 years later is the same calendar, 146097 days on.
  return Date.UTC(year + 400, month - 1, day) / 86_400_000 - 146_097;
}

/** Seconds from 1970-01-01 to a wall clock time, as if it were UTC, without its microseconds. */
export function wallClockSeconds({ date, time }: PyDateTime): number {
  return epochDay(date.year, date.month, date.day) * 86_400 + time.hour * 3600 + time.minute * 60 + time.second;
}

/**
 * Offsets of named time zones, from the time zone data of the running Node. Keeps one formatter per zone; make one per codec.
 */
export class ZoneOffsets {
  readonly #formats = new Map<string, Intl.DateTimeFormat | null>();

  /**
   * Offset from UTC in seconds of a wall clock time in its zone: 0 without a zone, undefined for an unknown zone.
   * Times that clocks skip or repeat are resolved by `fold`, as Python does (PEP 495).
   */
  at(value: PyDateTime): number | undefined {
    const zone = value.time.zone;
    if (zone === null) return 0;
    if (zone.offsetSeconds !== null || zone.name === null) return zone.offsetSeconds ?? 0;
    if (zone.name === "UTC") return 0;
    const format = this.#format(zone.name);
    if (format === null) return undefined;
    const wall = wallClockSeconds(value);
    const before = offsetAt(format, wall - 86_400);
    const after = offsetAt(format, wall + 86_400);
    if (before === after) return before;
    const isBefore = offsetAt(format, wall - before) === before;
    const isAfter = offsetAt(format, wall - after) === after;
    if (isBefore !== isAfter) return isBefore ? before : after;
    return value.fold === 0 ? before : after;
  }

  #format(name: string): Intl.DateTimeFormat | null {
    const known = this.#formats.get(name);
    if (known !== undefined) return known;
    const format = formatOf(name);
    // A hostile value names zones without end; real ones are fewer than a thousand.
    if (this.#formats.size < 1000) this.#formats.set(name, format);
    return format;
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat | null {
  // Intl takes "+01:00" and folds case; names of the database only, as Python does.
  if (!/^[A-Za-z]/.test(timeZone)) return null;
  const numeric = "numeric";
  try {
    return new Intl.DateTimeFormat("en-US-u-ca-iso8601", {
      timeZone,
      hourCycle: "h23",
      era: "short",
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
  } catch {
    return null;
  }
}

function offsetAt(format: Intl.DateTimeFormat, utcSeconds: number): number {
  const parts = Object.fromEntries(
    format.formatToParts(utcSeconds * 1000).map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return epochDay(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - utcSeconds;
}
