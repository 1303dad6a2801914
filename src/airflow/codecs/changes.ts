/** What had to be changed in a value because the target's form cannot hold it as it was. */
export type ChangeKind =
  /** NaN or an infinity became the text "NaN", "Infinity" or "-Infinity". */
  | "nan-as-text"
  /** U+0000 became the six visible characters \u0000, because Postgres' jsonb cannot hold it. */
  | "nul-shown"
  /** Half of a surrogate pair became its six visible characters, for the same reason. */
  | "surrogate-shown"
  /** Bytes that are not UTF-8 became U+FFFD. */
  | "invalid-utf8-replaced"
  /** A value whose type the target cannot hold became text. */
  | "type-as-text"
  /** A tuple, set or frozenset became a list. */
  | "sequence-as-list"
  /** A value was given the nearest type that Airflow can read back. */
  | "nearest-type"
  /** A datetime without time zone was stored as if it were UTC, which holds on workers that run in UTC. */
  | "naive-as-utc"
  /** A datetime or timedelta lost digits of its microseconds, as it does in Airflow itself. */
  | "microseconds-rounded"
  /** A key of a dict was no string. */
  | "key-as-text"
  /** A dict has a key that Airflow reads as one of its own marks, so Airflow may refuse to read it. */
  | "reserved-key";

/** One kind of change and how often it was made in the value. */
export interface Change {
  readonly kind: ChangeKind;
  readonly count: number;
}

/** JSON text that Postgres' jsonb accepts, with the changes made on the way, or why there is none. */
export type JsonResult =
  | { readonly ok: true; readonly json: string; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly reason: string };

/** Counts the changes made while one value is converted. */
export class ChangeTally {
  #counts: Map<ChangeKind, number> | undefined;

  add(kind: ChangeKind, count = 1): void {
    this.#counts ??= new Map();
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  list(): readonly Change[] {
    return this.#counts === undefined ? NO_CHANGES : [...this.#counts].map(([kind, count]) => ({ kind, count }));
  }
}

const NO_CHANGES: readonly Change[] = [];

/**
 * Why a value cannot be decoded. Thrown inside the codecs only: every public function turns it into `ok: false`.
 * The text names types and globals, never the content of a value.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** Runs a conversion and turns a {@link Refusal} into its reason. Anything else is a bug and passes through. */
export function orReason<T>(convert: () => T): T | { readonly ok: false; readonly reason: string } {
  try {
    return convert();
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.message };
    throw error;
  }
}
