import { isUtf8 } from "node:buffer";
import { Refusal } from "./changes.ts";
import { floatText } from "./python-text.ts";
import type { PyDate, PyDateTime, PyDelta, PyRecord, PyTime, PyValue } from "./python-value.ts";

/** Longest text of a key, so that a key whose parts are shared many times cannot grow without bound. */
const MAX_KEY_LENGTH = 100_000;

interface Budget {
  left: number;
}

/** The text of a dict key: Python's `json.dumps` rule for str, int, float, bool and None, else (nearly) Python's `str`. */
export function keyText(key: PyValue, budget: Budget = { left: MAX_KEY_LENGTH }): string {
  if (typeof key === "string") return key;
  if (key === null || typeof key !== "object") return String(key);
  // One entry per kind, and the kind chooses it: more than the compiler can see.
  return (KEY_TEXTS[key.kind] as (key: PyRecord, budget: Budget) => string)(key, budget);
}

const KEY_TEXTS: { readonly [K in PyRecord["kind"]]: (key: PyRecord & { kind: K }, budget: Budget) => string } = {
  float: ({ value }) => floatRepr(value),
  bytes: ({ bytes }) => (isUtf8(bytes) ? bytes.toString("utf8") : bytes.toString("base64")),
  complex: ({ real, imaginary }) => complexText(real, imaginary),
  decimal: ({ text }) => text,
  uuid: ({ text }) => text,
  datetime: (key) => isoDateTime(key, key.time.zone?.offsetSeconds ?? undefined).replace("T", " "),
  date: (key) => isoDate(key),
  time: (key) => isoTime(key),
  timedelta: (key) => deltaText(key),
  zone: ({ name, offsetSeconds }) => name ?? String(offsetSeconds),
  tuple: ({ items }, budget) => (items.length === 1 ? `(${reprs(items, budget)},)` : `(${reprs(items, budget)})`),
  frozenset: ({ items }, budget) => (items.length === 0 ? "frozenset()" : `frozenset({${reprs(items, budget)}})`),
  // These three cannot be keys in Python, so only a forged pickle comes here.
  list: ({ items }, budget) => `[${reprs(items, budget)}]`,
  set: ({ items }, budget) => `{${reprs(items, budget)}}`,
  dict: ({ items }, budget) => `{${reprs(items, budget)}}`,
};

function reprs(items: readonly PyValue[], budget: Budget): string {
  return items.map((item) => repr(item, budget)).join(", ");
}

function repr(item: PyValue, budget: Budget): string {
  budget.left -= typeof item === "string" ? item.length + 2 : 2;
  if (budget.left < 0) throw new Refusal("a key would be too long as text");
  if (item === null) return "None";
  if (typeof item === "boolean") return item ? "True" : "False";
  if (typeof item !== "string") return keyText(item, budget);
  const escaped = item.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
  return item.includes("'") && !item.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}

function floatRepr(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? "NaN" : `${value}`;
}

function complexText(real: number, imaginary: number): string {
  const part = (value: number): string => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : String(value).replace("Infinity", "inf");
    return floatText(value).replace(/\.0$/, "");
  };
  const last = `${part(imaginary)}j`;
  if (Object.is(real, 0)) return last;
  return `(${part(real)}${last.startsWith("-") ? "" : "+"}${last})`;
}

/** `2020-01-31`, Python's `isoformat`. */
export function isoDate({ year, month, day }: PyDate): string {
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}

/** `12:30:00` or `12:30:00.000001`, with the offset of a fixed zone; Python's `isoformat`. */
export function isoTime(time: PyTime): string {
  return clock(time) + offsetText(time.zone?.offsetSeconds ?? undefined);
}

/** `2020-01-31T12:30:00+01:00`, Python's `isoformat`, for an offset found by the caller (unused without a zone). */
export function isoDateTime(value: PyDateTime, offsetSeconds: number | undefined): string {
  const { zone } = value.time;
  const local = `${isoDate(value.date)}T${clock(value.time)}`;
  if (zone === null) return local;
  return offsetSeconds === undefined ? `${local}[${zone.name ?? ""}]` : local + offsetText(offsetSeconds);
}

/** `1 day, 0:00:01`, Python's `str` of a timedelta. */
export function deltaText({ days, seconds, microseconds }: PyDelta): string {
  const hours = Math.floor(seconds / 3600);
  const fraction = microseconds === 0 ? "" : `.${String(microseconds).padStart(6, "0")}`;
  const clockText = `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
  if (days === 0) return clockText;
  return `${days} day${Math.abs(days) === 1 ? "" : "s"}, ${clockText}`;
}

function clock({ hour, minute, second, microsecond }: PyTime): string {
  const fraction = microsecond === 0 ? "" : `.${String(microsecond).padStart(6, "0")}`;
  return `${two(hour)}:${two(minute)}:${two(second)}${fraction}`;
}

function offsetText(offsetSeconds: number | undefined): string {
  if (offsetSeconds === undefined) return "";
  const whole = Math.floor(Math.abs(offsetSeconds));
  const fraction = Math.round((Math.abs(offsetSeconds) - whole) * 1e6);
  const seconds = whole % 60 === 0 && fraction === 0 ? "" : `:${two(whole % 60)}`;
  const micros = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0")}`;
  return `${offsetSeconds < 0 ? "-" : "+"}${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}${seconds}${micros}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
