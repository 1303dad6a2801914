import type { Readable } from "node:stream";
import type { RawCheck, RawSource } from "./raw-source.ts";

/** A column as its own database declares it. */
export interface TargetColumn {
  readonly name: string;
  /** Without its length, in small letters: `varchar`, `longblob`, `timestamp`. */
  readonly type: string;
  /** Character set of a text, as `utf8mb4`; undefined for everything else. */
  readonly charset?: string;
  /** Values that differ only in case (or in spaces at the end) are the same. */
  readonly ignoresCase: boolean;
  /** Most bytes of a text or of bytes, where it is limited. */
  readonly mostBytes?: number;
  /** NULL is refused. */
  readonly isRequired: boolean;
  /** Digits after the point of a time's seconds. */
  readonly fraction?: number;
  /** The first time in UTC that is too late for it, as `2038-01-19 03:14:08`, where it keeps only seconds since 1970. */
  readonly endsAt?: string;
}

/** A unique key; the primary one is told apart by the table. */
export interface TargetUnique {
  readonly name: string;
  readonly columns: readonly string[];
}

/** How a database numbers the rows of a table. */
export interface TableNumbers {
  readonly column: string;
  /** What the next row gets. */
  readonly next: number;
  /** The sequence that is asked for it, where it is no attribute of the column. */
  readonly sequence?: string;
}

/** A table that rows can be uploaded to. */
export interface TargetTable {
  readonly name: string;
  readonly columns: readonly TargetColumn[];
  /** Columns of the primary key; none where there is none. */
  readonly key: readonly string[];
  readonly uniques: readonly TargetUnique[];
  /** Tables that foreign keys of this one refer to. */
  readonly references: readonly string[];
  /** Where the database numbers the rows: the column, and the number that the next row gets. */
  readonly numbers?: TableNumbers;
}

/** Rows on their way: CSV in UTF-8 with every value in double quotes, NULL as the bare word, lines ended by a line feed. */
export interface UploadRows {
  readonly columns: readonly { readonly name: string; readonly isHex: boolean }[];
  /** Opens the rows from their beginning; called once for each attempt. */
  readonly open: () => Promise<Readable & AsyncDisposable>;
}

/** Which chunk of which run it is. */
export interface UploadClaim {
  readonly run: string;
  readonly chunk: string;
}

/** A stretch of one table's rows that becomes the target's in one transaction. */
export interface UploadChunk {
  /** What problems call it. */
  readonly name: string;
  /** Set where the ledger is in the target's own server: recorded with the rows, and written once. */
  readonly claim?: UploadClaim;
  readonly table: TargetTable;
  /** Rows as they shall be: inserted where their key is not there. Undefined: the rows of `before` are deleted. */
  readonly after?: UploadRows;
  /** The same rows as they were when the target was read; undefined: they were not there. */
  readonly before?: UploadRows;
  /** Added to the ledger with the rows, where it is in the target's own server. */
  readonly keeps?: KeptLedger;
}

export interface Uploaded {
  /** False: another worker, or an earlier life of this one, had written it. */
  readonly isNew: boolean;
  readonly rows: number;
}

/** A text kept for the target beside its own tables. */
export interface KeptLedger {
  /** By table of the ledger: its rows, as JSON documents. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
}

/** A run as the target itself knows it. */
export interface KeptRun {
  /** The database in which its rows were put together. */
  readonly mirror: string;
  /** What it did, as JSON; undefined while it is not finished. */
  readonly summary?: string;
}

/** Where runs are recorded beside the rows that they wrote. Throws the problems of the connection. */
export interface UploadLedger {
  /** True: in the target's own server, so that a chunk and its record are one transaction. */
  readonly isInTarget: boolean;
  /** The ledger of the last run that began to upload. */
  read(): Promise<KeptLedger | undefined>;
  /** Replaces it, and records the run; all or nothing. */
  write(run: KeptRun & { readonly id: string }, ledger: KeptLedger): Promise<void>;
  /** Adds to it what came with a chunk: for ledgers that are not in the target's own server. */
  add(claim: UploadClaim, ledger: KeptLedger): Promise<void>;
  readRun(id: string): Promise<KeptRun | undefined>;
  /** Removes it with everything in it. */
  remove(): Promise<void>;
}

/** A metadata database that is no Postgres and takes rows. */
export interface RawTarget extends RawSource, AsyncDisposable {
  /** Every table by name, from the catalogue. */
  tables(): Promise<readonly TargetTable[]>;
  /** Arrays and objects within each other that a JSON document may have. */
  mostJsonLevels(): Promise<number>;
  /** Keeps other applies away until it is disposed of; undefined: another one is at work. */
  hold(): Promise<AsyncDisposable | undefined>;
  /** The ledger in the same server, made where it is missing; undefined where the user may not make one. */
  ledger(options?: { readonly make?: boolean }): Promise<UploadLedger | undefined>;
  /** Rows of a table with numbers from `low` to `high`, both included. */
  countNumbers(table: TargetTable, low: number, high: number): Promise<number>;
  /** The next row that the table numbers itself gets at least this number. */
  raiseNumber(table: TargetTable, next: number): Promise<void>;
  /**
   * Writes a chunk in one transaction: once or not at all, where the ledger is in the same server; else rows that are there already, the same in every
   * value, are taken for written.
   *
   * Throws UPLOAD_CONFLICT where a row of the target's own is in the way, UPLOAD_REFUSED where a value does not fit, and the problems of the connection.
   */
  write(chunk: UploadChunk): Promise<Uploaded>;
  /** What there is to know about writing: rights, settings. */
  checkWriting(): Promise<readonly RawCheck[]>;
}
