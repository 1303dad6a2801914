/**
 * A value as a driver gives it: numbers and texts in the database's own form (`1` for true, `2025-01-01 00:00:00` for a time in UTC), texts also as
 * UTF-8 bytes.
 */
export type RawValue = null | number | bigint | string | Uint8Array;

/** Values in the order of the table's columns. */
export type RawRow = readonly RawValue[];

export interface RawColumn {
  readonly name: string;
  /** Holds bytes, not text, where nothing else is known about it. */
  readonly isBinary: boolean;
  /** The database takes values that differ only in case (or in spaces at the end) for the same. */
  readonly ignoresCase: boolean;
}

/** A table of the source in its own shape. */
export interface RawTable {
  readonly name: string;
  readonly columns: readonly RawColumn[];
  /** Columns of the primary key; none where there is none. */
  readonly key: readonly string[];
}

/** What is known of a database that is no Postgres, before a row is read. */
export interface RawFacts {
  /** Which database this is, wherever it is landed: what the ledger knows it by. */
  readonly identity: string;
  /** Product and version, as `MariaDB 10.11.6`. */
  readonly server: string;
  readonly sizeBytes: number;
  /** Equal to the one of an earlier reading only where nothing was written in between; undefined where that can not be told. */
  readonly unchangedSince?: string;
}

/** One consistent snapshot of a source; it ends when it is disposed of. */
export interface RawReading extends AsyncDisposable {
  readonly facts: RawFacts;
  /** Every table, by name. Views are left out. */
  readonly tables: readonly RawTable[];
  /**
   * The table's rows, in the same order each time as long as they are the same, in batches that fit in memory. One at a time.
   *
   * `isExact`: texts come as bytes, so that one that is no UTF-8 can be told; without it such a text has U+FFFD in place of them.
   * Throws the problems of the connection, DATABASE_CONNECTION_LOST among them.
   */
  rows(table: RawTable, options?: { readonly isExact?: boolean }): AsyncIterable<readonly RawRow[]>;
}

/** One thing that is worth knowing about a source; `title` and `detail` are for people and hold no secret. */
export interface RawCheck {
  readonly id: string;
  readonly title: string;
  readonly status: "ok" | "note" | "warning" | "blocker";
  readonly detail: string;
  readonly next?: readonly string[];
}

/** A metadata database that is no Postgres. Only ever read: it is opened so that it refuses writes. */
export interface RawSource {
  /** For people: which side, then its address. */
  readonly label: string;
  /** `mysql://user@host:port/database`, `sqlite:////path/of/file`; never a password. */
  readonly address: string;
  /** Opens a snapshot. Throws the problems of the connection. */
  read(): Promise<RawReading>;
  /** What there is to know about connection, server and rights. Throws the problems of the connection. */
  check(): Promise<readonly RawCheck[]>;
}
