import { Refusal } from "./changes.ts";
import { int, rawBytes, text } from "./pickle-arguments.ts";
import { type Item, isKind } from "./pickle-machine.ts";
import type { PyDate, PyTime, PyZone } from "./python-value.ts";

function zoneOf(item: Item | undefined): PyZone | null {
  if (item === undefined || item === null) return null;
  if (isKind(item, "zone")) return item;
  throw new Refusal("a known class was given something else than a time zone");
}

/** A zone of a fixed offset, less than a day. */
export function fixedZone(offsetSeconds: number, className: PyZone["className"]): PyZone {
  return { kind: "zone", name: null, offsetSeconds: inRange(offsetSeconds, -86_400, 86_400), className };
}

/** A zone of the IANA database. */
export function namedZone(name: Item | undefined, className: PyZone["className"]): PyZone {
  if (!/^[\w+/-]{1,100}$/.test(text(name))) throw new Refusal("a time zone has an impossible name");
  return { kind: "zone", name: text(name), offsetSeconds: null, className };
}

/** Pendulum 1 pickles a zone together with the offset that holds at the moment in question. */
export function zoneWithOffset(zone: Item | undefined, offset: Item | undefined): PyZone {
  const whole = zoneOf(zone);
  if (whole === null) throw new Refusal("a known class was given something else than a time zone");
  return whole.name === null ? whole : { ...whole, offsetSeconds: int(offset) };
}

function inRange(value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw new Refusal("a date or time is out of range");
}

function calendarDay(year: number, month: number, day: number, isPendulum: boolean): PyDate {
  const lastDay = new Date(Date.UTC(2000 + (year % 400), inRange(month, 1, 12), 0)).getUTCDate();
  return { kind: "date", year: inRange(year, 1, 9999), month, day: inRange(day, 1, lastDay), isPendulum };
}

function clockTime([hour, minute, second, microsecond]: readonly number[], zone: PyZone | null): PyTime {
  return {
    kind: "time",
    hour: inRange(hour ?? 0, 0, 23),
    minute: inRange(minute ?? 0, 0, 59),
    second: inRange(second ?? 0, 0, 59),
    microsecond: inRange(microsecond ?? 0, 0, 999_999),
    zone,
  };
}

/** The last six bytes of a pickled datetime or time: hour, minute, second, and three bytes of microseconds. */
function packedTime(bytes: Buffer, from: number, zone: PyZone | null): PyTime {
  const [hour = 0, minute = 0, second = 0] = bytes.subarray(from, from + 3);
  return clockTime([hour & 0x7f, minute, second, bytes.readUIntBE(from + 3, 3)], zone);
}

/** The number-by-number form has the number of its arguments before the zone; the packed form has bytes first. */
function isPacked(args: readonly Item[]): boolean {
  return typeof args[0] === "string" || isKind(args[0], "bytes");
}

function packed(item: Item | undefined, length: number): Buffer {
  const bytes = rawBytes(item);
  if (bytes.length === length) return bytes;
  throw new Refusal("a date or time has the wrong number of bytes");
}

/** A datetime from the ten bytes of its pickle, or number by number; then its zone. */
export function dateTime(args: readonly Item[], isPendulum: boolean): Item {
  if (!isPacked(args)) {
    const [year, month, day, ...clock] = args.slice(0, 7).map(int);
    const day_ = calendarDay(year ?? 0, month ?? 0, day ?? 0, isPendulum);
    return { kind: "datetime", date: day_, time: clockTime(clock, zoneOf(args[7])), fold: 0, isPendulum };
  }
  const bytes = packed(args[0], 10);
  const month = bytes[2] ?? 0; // Its high bit is the fold, see PEP 495.
  return {
    kind: "datetime",
    date: calendarDay(bytes.readUInt16BE(0), month & 0x7f, bytes[3] ?? 0, isPendulum),
    time: packedTime(bytes, 4, zoneOf(args[1])),
    fold: month > 0x7f ? 1 : 0,
    isPendulum,
  };
}

/** A date from the four bytes of its pickle, or number by number. */
export function date(args: readonly Item[], isPendulum: boolean): PyDate {
  if (!isPacked(args)) return calendarDay(int(args[0]), int(args[1]), int(args[2]), isPendulum);
  const bytes = packed(args[0], 4);
  return calendarDay(bytes.readUInt16BE(0), (bytes[2] ?? 0) & 0x7f, bytes[3] ?? 0, isPendulum);
}

/** A time from the six bytes of its pickle, or number by number; then its zone. */
export function time(args: readonly Item[]): PyTime {
  if (!isPacked(args)) return clockTime(args.slice(0, 4).map(int), zoneOf(args[4]));
  return packedTime(packed(args[0], 6), 0, zoneOf(args[1]));
}

/** A timedelta from days, seconds and microseconds, in the form Python normalises to. */
export function delta(args: readonly Item[], isPendulum: boolean): Item {
  const [days = 0, seconds = 0, microseconds = 0] = args.map(int);
  inRange(days, -999_999_999, 999_999_999);
  inRange(seconds, 0, 86_399);
  inRange(microseconds, 0, 999_999);
  return { kind: "timedelta", days, seconds, microseconds, isPendulum };
}

/** The offset that a `datetime.timezone` is made of, in seconds. */
export function deltaSeconds(item: Item | undefined): number {
  if (!isKind(item, "timedelta")) throw new Refusal("a time zone was given something else than an offset");
  return item.days * 86_400 + item.seconds + item.microseconds / 1e6;
}
