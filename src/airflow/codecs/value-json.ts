import { isUtf8 } from "node:buffer";
import { type ChangeTally, Refusal } from "./changes.ts";
import { jsonFloat } from "./python-json.ts";
import { deltaText, isoDate, isoDateTime, isoTime, keyText } from "./python-str.ts";
import { floatText, jsonString } from "./python-text.ts";
import type { PyDateTime, PyDelta, PyDict, PyRecord, PyValue, PyZone } from "./python-value.ts";
import { wallClockSeconds, type ZoneOffsets } from "./zone-offsets.ts";

/**
 * `xcom`: types that JSON lacks become the marked objects that Airflow's own XCom decoder turns back into them.
 * `plain`: nobody decodes, as for `dag_run.conf`; they become text and lists, and are counted as changes.
 */
export type JsonFlavour = "xcom" | "plain";

export interface JsonWriting {
  readonly flavour: JsonFlavour;
  readonly zones: ZoneOffsets;
  readonly tally: ChangeTally;
  /** Longest text that is made, in characters. */
  readonly maxLength: number;
  /** Most values that are written, one that is shared counted each time. */
  readonly maxValues: number;
}

/**
 * Writes a value as JSON text that jsonb accepts.
 *
 * @throws Refusal when the text gets too long, as it may when a small pickle shares its parts many times
 */
export function writeJson(value: PyValue, writing: JsonWriting): string {
  return new JsonWriter(writing).write(value);
}

class JsonWriter {
  readonly #writing: JsonWriting;
  #length = 0;
  #values = 0;

  constructor(writing: JsonWriting) {
    this.#writing = writing;
  }

  write(value: PyValue): string {
    if (typeof value === "string") return this.#counted(jsonString(value, this.#writing.tally));
    if (typeof value === "number" || typeof value === "boolean" || value === null) return this.#counted(String(value));
    if (typeof value === "bigint") return this.#counted(value.toString());
    if (value.kind === "dict") return this.#dict(value);
    if ("items" in value) return this.#sequence(value.kind, value.items);
    return this.#counted(scalar(value, this.#writing));
  }

  /** Counts what is written, with a character for the comma or bracket around it. */
  #counted(text: string): string {
    this.#length += text.length + 1;
    this.#values++;
    if (this.#length > this.#writing.maxLength || this.#values > this.#writing.maxValues)
      throw new Refusal("the value would be too large as JSON");
    return text;
  }

  #sequence(kind: "list" | "tuple" | "set" | "frozenset", items: readonly PyValue[]): string {
    const { flavour, tally } = this.#writing;
    let inner = "";
    for (const item of items) inner += inner === "" ? this.write(item) : `,${this.write(item)}`;
    this.#counted("");
    if (kind === "list") return `[${inner}]`;
    if (flavour === "xcom") return marked(`builtins.${kind}`, 1, `[${inner}]`);
    tally.add("sequence-as-list");
    return `[${inner}]`;
  }

  #dict({ items }: PyDict): string {
    let inner = "";
    for (let at = 0; at + 1 < items.length; at += 2) {
      const entry = `${this.#key(items[at] ?? null)}:${this.write(items[at + 1] ?? null)}`;
      inner += inner === "" ? entry : `,${entry}`;
    }
    this.#counted("");
    return `{${inner}}`;
  }

  #key(key: PyValue): string {
    const { flavour, tally } = this.#writing;
    if (typeof key !== "string") tally.add("key-as-text");
    else if (flavour === "xcom" && RESERVED_KEYS.has(key)) tally.add("reserved-key");
    return this.#counted(jsonString(keyText(key), tally));
  }
}

/** Keys by which Airflow's decoder takes a dict for a marked object (`airflow.sdk.serde`: CLASSNAME, SCHEMA_ID, and the old form). */
const RESERVED_KEYS: ReadonlySet<string> = new Set(["__classname__", "__id__", "__type"]);

type Scalar = Exclude<PyRecord, { readonly items: readonly PyValue[] }>;
type Writers = {
  readonly [K in Scalar["kind"]]: (value: Extract<Scalar, { kind: K }>, writing: JsonWriting) => string;
};

const PLAIN: Writers = {
  float: (value, { tally }) => jsonFloat(value.value, tally),
  bytes: ({ bytes }, writing) => asText(isUtf8(bytes) ? bytes.toString("utf8") : bytes.toString("base64"), writing),
  complex: (value, writing) => asText(keyText(value), writing),
  decimal: (value, writing) => asText(value.text, writing),
  uuid: (value, writing) => asText(value.text, writing),
  datetime: (value, writing) => asText(isoDateTime(value, writing.zones.at(value)), writing),
  date: (value, writing) => asText(isoDate(value), writing),
  time: (value, writing) => asText(isoTime(value), writing),
  timedelta: (value, writing) => asText(deltaText(value), writing),
  zone: (value, writing) => asText(value.name ?? String(value.offsetSeconds), writing),
};

/** The shapes of Airflow 3.3.2's `airflow.sdk.serde.serializers`; 2.5 and later write and read the same ones. */
const XCOM: Writers = {
  ...PLAIN,
  decimal: (value) => marked("decimal.Decimal", 1, decimalData(value.text)),
  uuid: (value) => marked("uuid.UUID", 1, `"${value.text}"`),
  datetime: (value, writing) => dateTimeMark(value, writing),
  date: (value) => marked(value.isPendulum ? "pendulum.date.Date" : "datetime.date", 2, `"${isoDate(value)}"`),
  timedelta: (value, writing) => deltaMark(value, writing),
  zone: (value, writing) => {
    if (!isWholeZone(value)) return PLAIN.zone(value, writing);
    const [data, className] = zoneData(value);
    if (value.className !== className) writing.tally.add("nearest-type");
    return marked(className, 1, data);
  },
};

function scalar(value: Scalar, writing: JsonWriting): string {
  const writers = writing.flavour === "xcom" ? XCOM : PLAIN;
  // One entry per kind, and the kind chooses it: more than the compiler can see.
  return (writers[value.kind] as (value: Scalar, writing: JsonWriting) => string)(value, writing);
}

function asText(text: string, { tally }: JsonWriting): string {
  tally.add("type-as-text");
  return jsonString(text, tally);
}

function marked(className: string, version: number, data: string): string {
  return `{"__classname__":"${className}","__version__":${version},"__data__":${data}}`;
}

/**
 * Airflow writes a number, which loses digits; its decoder reads `Decimal(str(data))`, so text keeps them all where a number would not.
 * A decimal number of up to 15 digits survives the way through a float.
 */
function decimalData(text: string): string {
  if (/^(?:-?[1-9]\d{0,4000}|0)$/.test(text)) return text;
  if (/^-?\d{1,7}\.\d{1,8}$/.test(text) && Number(text) !== 0) return floatText(Number(text));
  return `"${text}"`;
}

function dateTimeMark(value: PyDateTime, writing: JsonWriting): string {
  const { date, time } = value;
  const offset = writing.zones.at(value);
  // Python's own conversion fails near the ends of its calendar.
  const isReadable = offset !== undefined && date.year > 1 && date.year < 9999;
  if (!isReadable || (time.zone !== null && !isWholeZone(time.zone))) return PLAIN.datetime(value, writing);
  if (time.zone === null) writing.tally.add("naive-as-utc");
  const seconds = wallClockSeconds(value) - offset;
  const data = `{"timestamp":${exactSeconds(seconds, time.microsecond, writing)},"tz":${zoneMark(time.zone)}}`;
  return marked(value.isPendulum ? "pendulum.datetime.DateTime" : "datetime.datetime", 2, data);
}

function isWholeZone(zone: PyZone): boolean {
  return zone.offsetSeconds === null || Number.isInteger(zone.offsetSeconds);
}

function zoneMark(zone: PyZone | null): string {
  if (zone === null) return "null";
  const [data, className] = zoneData(zone);
  return marked("builtins.tuple", 1, `[${data},"${className}",1,true]`);
}

/** What Airflow's timezone serializer writes: a name or an offset. `datetime.timezone` has no form there, a fixed zone is equal to it. */
function zoneData(zone: PyZone): readonly [data: string, className: string] {
  if (zone.name !== null) return [JSON.stringify(zone.name), zone.className];
  return [zone.offsetSeconds === 0 ? '"UTC"' : String(zone.offsetSeconds), "pendulum.tz.timezone.FixedTimezone"];
}

function deltaMark(value: PyDelta, writing: JsonWriting): string {
  if (value.isPendulum) writing.tally.add("nearest-type");
  return marked(
    "datetime.timedelta",
    2,
    exactSeconds(value.days * 86_400 + value.seconds, value.microseconds, writing),
  );
}

/** Seconds and microseconds as the float nearest to them; a text conversion rounds once, as Python's division does. */
function exactSeconds(seconds: number, microseconds: number, { tally }: JsonWriting): string {
  const total = BigInt(seconds) * 1_000_000n + BigInt(microseconds);
  const value = Number(`${total}e-6`);
  if (BigInt(Math.round((value - Math.floor(value)) * 1e6)) + BigInt(Math.floor(value)) * 1_000_000n !== total) {
    tally.add("microseconds-rounded");
  }
  return floatText(value);
}
