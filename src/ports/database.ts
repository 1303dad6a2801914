import type { Duplex, Readable } from "node:stream";

/** A row as the driver gives it: column name to value. bigint and numeric come as text. */
export type Row = Readonly<Record<string, unknown>>;

/** What the server says a query's column is. `length` is the modifier's limit, where the type has one. */
export interface DescribedColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * One session with a Postgres server: one connection, one transaction at a time.
 *
 * Failures the user can act on (connection lost, disk full, missing right, ...) are thrown as problems; others as they come.
 */
export interface Session extends AsyncDisposable {
  /** Runs one statement. `values` go as parameters, never into the text. */
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
  /** Names and types of a query's columns, without running it. */
  describe(sql: string): Promise<readonly DescribedColumn[]>;
  /**
   * `COPY (select) TO STDOUT (FORMAT binary)`. Destroying the stream cancels the statement. `csv`: every value in double quotes, NULL as the bare
   * word.
   */
  copyOut(select: string, format?: "binary" | "csv"): Readable;
  /** `COPY table (columns) FROM STDIN (FORMAT binary)`: finished when the stream is; its failure is the statement's. */
  copyIn(into: string): Duplex;
  /** Begins a read-only transaction that sees the database as it is now; it ends with the session. */
  beginSnapshot(): Promise<void>;
  /** Begins a read-only transaction in an exported snapshot; it ends with the session. */
  joinSnapshot(snapshot: string): Promise<void>;
  /** Runs `work` in a transaction: committed when it returns, rolled back when it throws. */
  transaction<T>(work: () => Promise<T>, mode?: string): Promise<T>;
}

/** What a landed database stands for. */
export interface LandedFrom {
  /** Which database the source is, wherever it is landed. */
  readonly identity: string;
  /** Product and version, as `MariaDB 10.11.6`. */
  readonly server: string;
  readonly sizeBytes: number;
}

/** A Postgres database that sessions can be opened to. */
export interface Database extends AsyncDisposable {
  /** Set where this is staging, with a source landed in it that is no Postgres. */
  readonly landed?: LandedFrom;
  /** For people: which side, then its address. */
  readonly label: string;
  /** `user@host:port/database`; never a password. */
  readonly address: string;
  /** True where it is reached through a connection pooler: known when the first session is there. */
  readonly isPooled: boolean;
  /** A session from the pool; waits for a free one. */
  session(): Promise<Session>;
  /** One statement in a session of its own. */
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
}
