import { isUtf8 } from "node:buffer";
import type { RawValue } from "../../ports/raw-source.ts";
import type { CopyWriter } from "./copy-writer.ts";
import { isExactNumber, type PointInTime, readTime } from "./encode-time.ts";

type Present = Exclude<RawValue, null>;

/** Writes a value as the type's binary form; gives why it does not fit, or undefined. What was written then must be taken back. */
export type Encoder = (writer: CopyWriter, value: Present) => string | undefined;

/** Thrown where only a second, careful reading of the table can tell what a value is. */
export class NeedsCare extends Error {
  override readonly name = "NeedsCare";
}

const MINUS = 0x2d;
const ZERO = 0x30;
const JSONB_VERSION = 1;
const INT32 = 2 ** 31;
const INT64 = 2n ** 63n;
/** Decimal digits that are always exact as a number. */
const EXACT_DIGITS = 15;

function textOf(value: Present): string {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8")
    : String(value);
}

/** The whole number in decimal digits; NaN for anything else, and for more digits than are exact. */
function digits(bytes: Uint8Array): number {
  const isNegative = bytes[0] === MINUS;
  const from = isNegative ? 1 : 0;
  const size = bytes.length - from;
  if (size === 0 || size > EXACT_DIGITS) return Number.NaN;
  let value = 0;
  for (let at = from; at < bytes.length; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

/** A whole number, or undefined for anything else: `12.5`, `abc`. */
function whole(value: Present): number | bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  const number = typeof value === "string" ? Number.NaN : digits(value);
  if (!Number.isNaN(number)) return number;
  const shown = textOf(value);
  return /^-?\d{1,40}$/.test(shown) ? BigInt(shown) : undefined;
}

const integer: Encoder = (writer, value) => {
  const number = whole(value);
  if (number === undefined) return "is no whole number";
  if (number < -INT32 || number >= INT32) return "is beyond 32 bits";
  writer.int32(Number(number));
  return undefined;
};

const bigint: Encoder = (writer, value) => {
  const number = whole(value);
  if (number === undefined) return "is no whole number";
  if (typeof number === "number") {
    writer.int64(number);
    return undefined;
  }
  if (number < -INT64 || number >= INT64) return "is beyond 64 bits";
  writer.bigInt64(number);
  return undefined;
};

const boolean: Encoder = (writer, value) => {
  // A BIT(1) comes as one byte that is 0 or 1 itself.
  const number = value instanceof Uint8Array && value.length === 1 && (value[0] ?? 2) < 2 ? value[0] : whole(value);
  if (number === undefined || (Number(number) !== 0 && Number(number) !== 1)) return "is neither 0 nor 1";
  writer.byte(Number(number));
  return undefined;
};

const double: Encoder = (writer, value) => {
  const number = typeof value === "number" ? value : decimal(textOf(value));
  if (!Number.isFinite(number)) return "is no number";
  writer.float64(number);
  return undefined;
};

const real: Encoder = (writer, value) => {
  const number = typeof value === "number" ? value : decimal(textOf(value));
  if (!Number.isFinite(Math.fround(number))) return "is no number";
  writer.float32(number);
  return undefined;
};

function decimal(shown: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(shown) ? Number(shown) : Number.NaN;
}

/** Characters; a time with microseconds and a zone has 32. */
const LONGEST_TIME = 64;

/** A time as it was read last, and its text: one of each, because encoding is a loop over millions of values. */
interface TimeScratch {
  readonly point: PointInTime;
  readonly bytes: Buffer;
}

function timestamp(): Encoder {
  const scratch: TimeScratch = { point: { seconds: 0, micros: 0 }, bytes: Buffer.alloc(LONGEST_TIME * 3) };
  return (writer, value) => {
    let bytes: Uint8Array = scratch.bytes;
    let length = 0;
    if (value instanceof Uint8Array) {
      bytes = value;
      length = value.length;
    } else if (typeof value === "string" && value.length <= LONGEST_TIME) {
      length = scratch.bytes.write(value, 0, "utf8");
    }
    if (!readTime(bytes, length, scratch.point)) return "is no time that exists, to the microsecond";
    const { seconds, micros } = scratch.point;
    if (isExactNumber(scratch.point)) writer.int64(seconds * 1_000_000 + micros);
    else writer.bigInt64(BigInt(seconds) * 1_000_000n + BigInt(micros));
    return undefined;
  };
}

const uuid: Encoder = (writer, value) => {
  if (value instanceof Uint8Array && value.length === 16) {
    writer.bytes(value);
    return undefined;
  }
  const shown = textOf(value);
  const hex = shown.length === 36 ? shown.replaceAll("-", "") : shown;
  if (!/^[0-9a-f]{32}$/i.test(hex)) return "is no UUID";
  writer.bytes(Buffer.from(hex, "hex"));
  return undefined;
};

const bytea: Encoder = (writer, value) => {
  if (typeof value === "number" || typeof value === "bigint") return "is a number where bytes are expected";
  if (typeof value === "string") writer.text(value);
  else writer.bytes(value);
  return undefined;
};

/** Why a text can not be kept by Postgres, or undefined. */
function unfitText(value: Present, mostCharacters: number): string | undefined {
  if (value instanceof Uint8Array && !isUtf8(value)) return "is not UTF-8";
  const shown = textOf(value);
  if (shown.includes("\0")) return "holds U+0000, which Postgres can not keep in a text";
  // Postgres counts code points: only where it could matter is it worth counting them.
  const isLong = shown.length > mostCharacters && Array.from(shown).length > mostCharacters;
  return isLong ? `is longer than ${mostCharacters} characters` : undefined;
}

function writeText(writer: CopyWriter, value: Present, first?: number): void {
  if (value instanceof Uint8Array) writer.bytes(value, first);
  else if (typeof value === "string") {
    // What a driver puts in place of bytes that are no UTF-8; it may also be what the text has.
    if (value.includes("\uFFFD")) throw new NeedsCare("a text with U+FFFD");
    writer.text(value, first);
  } else writer.text(String(value), first);
}

/** Without care Postgres itself refuses what it can not keep, and the table is read a second time. */
function text(mostCharacters: number, isCareful: boolean): Encoder {
  return (writer, value) => {
    const unfit = isCareful ? unfitText(value, mostCharacters) : undefined;
    if (unfit === undefined) writeText(writer, value);
    return unfit;
  };
}

/** Half of a surrogate pair as an escape, or U+0000: JSON allows them, jsonb can not keep them. */
const NOT_IN_JSONB =
  /\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]/;

function unfitJson(value: Present, isBinary: boolean): string | undefined {
  const unfit = unfitText(value, Number.POSITIVE_INFINITY);
  if (unfit !== undefined) return unfit;
  const document = textOf(value);
  try {
    JSON.parse(document);
  } catch {
    return "is no JSON";
  }
  const isUnkeepable = isBinary && NOT_IN_JSONB.test(document.replaceAll("\\\\", ""));
  return isUnkeepable ? "holds U+0000 or half of a surrogate pair, which jsonb can not keep" : undefined;
}

/** SQLite keeps a JSON document that is a number as a number; its shortest form is JSON. */
function json(isBinary: boolean, isCareful: boolean): Encoder {
  return (writer, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) return "is no JSON";
    const unfit = isCareful ? unfitJson(value, isBinary) : undefined;
    if (unfit === undefined) writeText(writer, value, isBinary ? JSONB_VERSION : undefined);
    return unfit;
  };
}

const LENGTH = /^character varying\((\d+)\)$/;
/** `timestamp(0) with time zone`: Postgres itself rounds. */
const PRECISION = /^timestamp\(\d\)/;

/**
 * How values of a Postgres type are written. `isCareful`: everything that Postgres would refuse is found here, value by value.
 *
 * Throws a plain Error for a type that no recorded schema has.
 */
export function encoderFor(type: string, isCareful: boolean): Encoder {
  const limit = LENGTH.exec(type)?.[1];
  if (limit !== undefined) return text(Number(limit), isCareful);
  const make = ENCODERS[type.replace(PRECISION, "timestamp")];
  if (make === undefined) throw new Error(`no values can be written as ${type}`);
  return make(isCareful);
}

const ENCODERS: Readonly<Record<string, (isCareful: boolean) => Encoder>> = {
  integer: () => integer,
  bigint: () => bigint,
  boolean: () => boolean,
  "double precision": () => double,
  real: () => real,
  "timestamp with time zone": timestamp,
  "timestamp without time zone": timestamp,
  uuid: () => uuid,
  bytea: () => bytea,
  text: (isCareful) => text(Number.POSITIVE_INFINITY, isCareful),
  "character varying": (isCareful) => text(Number.POSITIVE_INFINITY, isCareful),
  json: (isCareful) => json(false, isCareful),
  jsonb: (isCareful) => json(true, isCareful),
};

/** The types that values can be written as, without lengths. */
export function isWritable(type: string): boolean {
  return LENGTH.test(type) || Object.hasOwn(ENCODERS, type);
}
