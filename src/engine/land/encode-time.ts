/** Days from 1970-01-01 to 2000-01-01, where Postgres counts from. */
const EPOCH_DAYS = 10_957;
const DAY_SECONDS = 86_400;
/** Beyond that microseconds are no exact numbers any more. */
const EXACT_SECONDS = 9e9;

const ZERO = 0x30;
const DASH = 0x2d;
const COLON = 0x3a;
const SPACE = 0x20;
const LETTER_T = 0x54;
const DOT = 0x2e;
const PLUS = 0x2b;
const LETTER_Z = 0x5a;
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Two digits, or NaN. */
function two(bytes: Uint8Array, at: number): number {
  const [high, low] = [(bytes[at] ?? 0) - ZERO, (bytes[at + 1] ?? 0) - ZERO];
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : Number.NaN;
}

function isDate(year: number, month: number, day: number): boolean {
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= (MONTH_DAYS[month - 1] ?? 0))) return false;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month !== 2 || day < 29 || isLeap;
}

/** Days since 1970-01-01 in the Gregorian calendar. Source: "days_from_civil", https://howardhinnant.github.io/date_algorithms.html */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

/** Microseconds of `.5` to `.999999`; more digits only if they are zeros, because Postgres would round them. -1: not a fraction. */
function fraction(bytes: Uint8Array, from: number, to: number): number {
  let micros = 0;
  if (to === from) return -1;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    if (at - from < 6) micros = micros * 10 + digit;
    else if (digit !== 0) return -1;
  }
  return micros * 10 ** Math.max(0, 6 - (to - from));
}

/** Where the zone begins: at `Z`, `+` or `-` behind the time; at the end where there is none. */
function zoneAt(bytes: Uint8Array, length: number): number {
  for (let at = 19; at < length; at++) {
    const byte = bytes[at];
    if (byte === PLUS || byte === DASH || byte === LETTER_Z) return at;
  }
  return length;
}

/** Seconds east of UTC of `Z`, `+02`, `+0200`, `+02:00`; NaN for anything else. */
function zoneSeconds(bytes: Uint8Array, at: number, length: number): number {
  if (at === length || (bytes[at] === LETTER_Z && at + 1 === length)) return 0;
  const sign = bytes[at] === DASH ? -1 : 1;
  const hours = two(bytes, at + 1);
  const size = length - at;
  if (size === 3) return sign * hours * 3600;
  if (size === 5) return sign * (hours * 3600 + two(bytes, at + 3) * 60);
  if (size === 6 && bytes[at + 3] === COLON) return sign * (hours * 3600 + two(bytes, at + 4) * 60);
  return Number.NaN;
}

/** A point in time as seconds since 2000-01-01 UTC and microseconds after that. */
export interface PointInTime {
  seconds: number;
  micros: number;
}

/**
 * Reads `2025-01-01 12:00:00.123456`, as MySQL prints it and SQLAlchemy writes it into SQLite; `T`, a missing time, and a zone are understood.
 * False for anything else: a date that does not exist, `0000-00-00`, more than six digits after the point. Without a zone it is UTC.
 */
export function readTime(bytes: Uint8Array, length: number, into: PointInTime): boolean {
  const year = two(bytes, 0) * 100 + two(bytes, 2);
  const [month, day] = [two(bytes, 5), two(bytes, 8)];
  if (length < 10 || bytes[4] !== DASH || bytes[7] !== DASH || !isDate(year, month, day)) return false;
  into.seconds = (daysOf(year, month, day) - EPOCH_DAYS) * DAY_SECONDS;
  into.micros = 0;
  if (length === 10) return true;
  const [hour, minute, second] = [two(bytes, 11), two(bytes, 14), two(bytes, 17)];
  const isSeparated = bytes[10] === SPACE || bytes[10] === LETTER_T;
  if (!isSeparated || length < 19 || bytes[13] !== COLON || bytes[16] !== COLON) return false;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return false;
  const zone = zoneAt(bytes, length);
  const offset = zoneSeconds(bytes, zone, length);
  into.micros = zone === 19 ? 0 : bytes[19] === DOT ? fraction(bytes, 20, zone) : -1;
  into.seconds += hour * 3600 + minute * 60 + second - offset;
  return into.micros >= 0 && Math.abs(offset) < DAY_SECONDS;
}

/** True where the microseconds since 2000 are exact as a number. */
export function isExactNumber({ seconds }: PointInTime): boolean {
  return Math.abs(seconds) < EXACT_SECONDS;
}
