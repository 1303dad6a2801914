import type { Range } from "./release.ts";

/**
 * A fragment of Postgres SQL from an entity file. `s` is the source row (and whatever `from` joins), `c` the canonical row,
 * `$` in a conversion the expression that is converted. Never holds a value from outside.
 */
export type Sql = string;

/** How a value gets to its new form: by SQL alone; by SQL, and by a codec where SQL raises; by a codec alone. */
export type Lane = "sql" | "sql-or-codec" | "codec";

/** How verification compares a field. `ignore` needs a reason, which is printed. */
export type Comparison = "digest" | "decrypted" | "reference" | { readonly ignore: string };

/** One stretch of a field's life: where it is kept in a range of releases, and how it is read and written there. */
export interface FieldRow {
  /** Default: every release. */
  readonly in?: Range;
  /** The column that keeps it; `true` for one of the field's own name. Absent: these releases have no place for it. */
  readonly column?: string | true;
  /** The canonical value from the source row. Default: the column; NULL where there is none. Reads lose nothing. */
  readonly read?: Sql;
  /** The column's value from the canonical row. Default: the canonical value as it is. */
  readonly write?: Sql;
  /** Name of the encoding. Between equal shapes a value is passed on as it is; between others a conversion is needed. */
  readonly shape?: string;
}

/** A codec that gives a problem for each value that is not as it should be, and what that means for an environment. */
export interface Wanted {
  readonly to: Range;
  readonly codec: string;
  /** What the rows are, after their number: `have an extra that is no JSON object`. */
  readonly what: string;
  readonly next: readonly string[];
}

/** How a value of one shape becomes one of another. */
export interface Conversion {
  readonly from: string;
  readonly to: string;
  readonly lane: Lane;
  /** For the SQL lanes. */
  readonly sql?: Sql;
  /** For the codec lanes: the codec's id, and an expression that prepares its input. */
  readonly codec?: string;
  readonly before?: Sql;
}

/** A field in canonical meaning (that of the newest Airflow) with its whole life. */
export interface Field {
  readonly rows: readonly FieldRow[];
  readonly convert?: readonly Conversion[];
  /** A codec that every value goes through, whatever the releases: secrets, which change keys. */
  readonly codec?: string;
  /** The entity whose id this is. */
  readonly references?: string;
  /** The canonical field that names the referred row by its key: a row is matched across sides, and left out with what it belongs to, by it. */
  readonly namedBy?: string;
  /** The id is kept as text that may hold something else, too: what is no number is no reference, and is passed on where that is possible. */
  readonly idAsText?: true;
  /** The ids are texts within JSON, each beside its name: `{"id": "1", "name": "zoe"}`, or a list of those. What is not on the target is known there by its name. */
  readonly idInJson?: true;
  /** Never shown, not even in a difference: a password's hash. A keyed digest stands for it. Passed on as it is. */
  readonly isHidden?: true;
  /** What Airflow wants of the value where the target is in `to`, besides what its column takes. */
  readonly wants?: Wanted;
  /** Default `digest`; `reference` where `references` is set, `decrypted` where `codec` is. */
  readonly compare?: Comparison;
  /** Written from an expression that only the target can compute, while merging. */
  readonly onTarget?: Sql;
  /** Fields that say the same where a release has no place for this one: nothing is lost. */
  readonly heldBy?: readonly string[];
  /** Printed when the source keeps the field and the target has no place for it. */
  readonly lost?: string;
}

/** A column that exists and is deliberately not written: it gets the target's default or NULL. */
export interface UnsetColumn {
  readonly column: string;
  readonly in?: Range;
  readonly reason: string;
}

/**
 * Which rows a selection reaches: all (`environment`), those of selected DAGs (`dag`), those of selected, finished runs (`run`).
 * The names are canonical fields. `time` makes a history of days apply to rows that belong to no run.
 */
export type Scope =
  | { readonly of: "environment" }
  | { readonly of: "dag"; readonly dag: string }
  | {
      readonly of: "run";
      readonly dag: string;
      readonly run: string;
      readonly runIsOptional?: true;
      readonly time?: string;
    };

/** A thing a release keeps somewhere else, or nowhere. */
export interface TableRow {
  readonly in?: Range;
  readonly table: string;
  /** Only some databases of these releases have the table: those whose environment uses what it is for. */
  readonly isOptional?: true;
  /** FROM clause with the alias `s` for the table. Default: the table alone. */
  readonly from?: Sql;
  /** Fields that identify a row in this table, where neither the entity's key nor the table's primary key does. */
  readonly key?: readonly string[];
}

/** Everything Crosswind knows about one kind of content, from Airflow 1.10 to the newest release. */
export interface Entity {
  readonly id: string;
  /** Plural, for people: `Task instances`. */
  readonly title: string;
  readonly tables: readonly TableRow[];
  /** Rows that every environment of some releases has without keeping them: a FROM clause with the alias `s`. */
  readonly constant?: { readonly in: Range; readonly from: Sql };
  /** Canonical fields that identify a row everywhere; a serial id only where nothing else does. */
  readonly key: readonly string[];
  /** Entities whose rows must be there before. */
  readonly after: readonly string[];
  readonly scope: Scope;
  /** `bulk`: history, loaded in chunks. `merge`: few rows that meet rows of the target's own. */
  readonly load: "bulk" | "merge";
  /** The serial id: `kept` (plus a recorded offset) or `mapped` (the target numbers its rows; references follow by key). */
  readonly serial?: {
    readonly field: string;
    readonly rule: "kept" | "mapped";
    /** Of mapped ids: the sequence that Airflow itself asks for a number, where the column has no default. */
    readonly sequence?: string;
  };
  readonly fields: Readonly<Record<string, Field>>;
  readonly unset: readonly UnsetColumn[];
  /** What no two rows of a table share besides the key: expressions over the canonical row, and what to call them. */
  readonly unique?: readonly { readonly value: Sql; readonly name: string }[];
  /**
   * Canonical fields that list, as jsonb arrays of texts, what rows of another entity give this one: roles of a user. A row that would get
   * more on the target than it has there is in the way like one with other values.
   */
  readonly parts?: readonly { readonly field: string; readonly entity: string }[];
  /** Rows of a target's own that Airflow itself creates and that the source's row replaces: a predicate over the target row `t`. */
  readonly seeded?: Sql;
  /** The target's newest row, by serial id, stays the newest: what it says is what the target's own new rows get. */
  readonly keepsNewest?: true;
  /** Statements for the target before the first row, by release of the target. */
  readonly prepare?: readonly { readonly in?: Range; readonly sql: Sql }[];
  /** What the plan says when the target has no table for it: `{ range, sentence }`. */
  readonly lost?: string;
  /** What names one of its rows to people: canonical fields. Default: the key. */
  readonly label?: readonly string[];
  /** Which of its rows are never taken, where the target is in `to`: a predicate over the canonical row, and why. */
  readonly leave?: readonly { readonly where: Sql; readonly to?: Range; readonly reason: string }[];
  /** Rows that go over as they are, and that the target's Airflow reads only with a setting of its own. */
  readonly needs?: readonly NeededSetting[];
  readonly distinct?: readonly Distinct[];
}

/** What no two rows of the target may share, besides the key: a unique index that the source may lack. */
export interface Distinct {
  readonly to: Range;
  /** Canonical fields; rows with a NULL among them share nothing. */
  readonly by: readonly string[];
}

/** A setting without which the target's Airflow does not read some rows. */
export interface NeededSetting {
  /** Releases of the source, and of the target. */
  readonly from: Range;
  readonly to: Range;
  /** A predicate over the canonical row. */
  readonly where: Sql;
  /** What is said of so many rows: `are pickles, which ...`. */
  readonly what: string;
  readonly next: readonly string[];
}
