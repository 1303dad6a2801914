/**
 * A value read from a pickle. Python's int, str, bool and None are plain JavaScript values (an int beyond 2^53 is a bigint);
 * everything else is a small record, so that 1 and 1.0, or a list and a tuple, stay apart.
 *
 * Values from {@link readPickle} contain no cycles and are at most 1000 levels deep, but parts may be shared.
 */
export type PyValue = null | boolean | string | number | bigint | PyRecord;

export type PyRecord =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "list" | "tuple" | "set" | "frozenset"; readonly items: readonly PyValue[] }
  | PyDict
  | { readonly kind: "complex"; readonly real: number; readonly imaginary: number }
  | { readonly kind: "decimal"; readonly text: string }
  | { readonly kind: "uuid"; readonly text: string }
  | PyDateTime
  | PyDate
  | PyTime
  | PyDelta
  | PyZone;

/** Keys and values alternate, in Python's order; keys need not be strings. A key that a hostile pickle sets twice is there twice. */
export interface PyDict {
  readonly kind: "dict";
  readonly items: readonly PyValue[];
}

export interface PyDate {
  readonly kind: "date";
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** True for the class of the pendulum library. */
  readonly isPendulum: boolean;
}

export interface PyTime {
  readonly kind: "time";
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  readonly zone: PyZone | null;
}

export interface PyDateTime {
  readonly kind: "datetime";
  readonly date: PyDate;
  readonly time: PyTime;
  /** 1 for the second of two equal wall clock times when clocks are set back. */
  readonly fold: 0 | 1;
  readonly isPendulum: boolean;
}

export interface PyDelta {
  readonly kind: "timedelta";
  readonly days: number;
  readonly seconds: number;
  readonly microseconds: number;
  readonly isPendulum: boolean;
}

/** A time zone: a fixed offset or a name of the IANA database, with the Python class that Airflow is to rebuild. */
export interface PyZone {
  readonly kind: "zone";
  readonly name: string | null;
  /** Offset from UTC, null for a named zone. */
  readonly offsetSeconds: number | null;
  readonly className:
    | "pendulum.tz.timezone.FixedTimezone"
    | "pendulum.tz.timezone.Timezone"
    | "zoneinfo.ZoneInfo"
    | "datetime.timezone";
}
