import type { Duplex, Readable } from "node:stream";
import type { PoolClient } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { DescribedColumn, Row, Session } from "../../ports/database.ts";
import { CopyOut } from "./copy-out.ts";
import { sqlState, toProblem } from "./errors.ts";
import { LATE_LOCAL_SETTINGS, LOCAL_SETTINGS } from "./settings.ts";
import type { SilenceWatch } from "./silence.ts";

/** Bytes that a COPY stream may hold ready: enough that neither side waits for the other, small enough for 250 MB in all. */
const COPY_BUFFER_BYTES = 256 * 1024;

/** Of a transaction that sees the database as it was when it, or the one whose snapshot it joins, began. */
const SNAPSHOT_MODE = "isolation level repeatable read, read only";

/** Options of COPY. */
const COPY_FORMATS = { binary: "format binary", csv: "format csv, null 'NULL', force_quote *" } as const;

/**
 * How a session keeps its settings. `session`: it began with them. `transaction`: a pooler is between, which gives each transaction to any of the
 * server's sessions; so everything is done in read-only transactions that set them for themselves.
 */
export type KeepsSettings = "session" | "transaction";

interface SessionParts {
  readonly client: PoolClient;
  readonly where: string;
  readonly silence: SilenceWatch;
  readonly keepsSettings: KeepsSettings;
}

export class PostgresSession implements Session {
  readonly #client: PoolClient;
  readonly #where: string;
  readonly #silence: SilenceWatch;
  /** Names of types by their numbers, as far as they were asked for. */
  readonly #types = new Map<number, string>();
  #broken: Error | undefined;
  #copying = false;
  #inSnapshot = false;
  readonly #isPooled: boolean;
  /** Set while the transaction under way is only there for the settings: its statements stand for themselves. */
  #isAmbient = false;

  constructor({ client, where, silence, keepsSettings }: SessionParts) {
    this.#client = client;
    this.#where = where;
    this.#silence = silence;
    this.#isPooled = keepsSettings === "transaction";
    client.on("error", (error: Error) => {
      // The first says why; what follows only that the connection is gone.
      this.#broken ??= error;
    });
  }

  /** Before the first statement. */
  async start(): Promise<void> {
    if (this.#isPooled) await this.#ambient();
  }

  async query<R extends Row = Row>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> {
    return await this.#standing(sql, async () => (await this.#client.query<R>(sql, [...values])).rows);
  }

  async describe(sql: string): Promise<readonly DescribedColumn[]> {
    const result = await this.#standing(undefined, () =>
      this.#client.query({ text: `select * from (${sql}) described limit 0`, rowMode: "array" }),
    );
    await this.#nameTypes(result.fields.map((field) => field.dataTypeID));
    return result.fields.map(({ name, dataTypeID }) => ({ name, type: this.#types.get(dataTypeID) ?? "unknown" }));
  }

  async #nameTypes(oids: readonly number[]): Promise<void> {
    const unknown = [...new Set(oids)].filter((oid) => !this.#types.has(oid));
    if (unknown.length === 0) return;
    const sql = "select oid::int8::text as oid, format_type(oid, null) as type from unnest($1::oid[]) oid";
    for (const { oid, type } of await this.query<{ oid: string; type: string }>(sql, [unknown]))
      this.#types.set(Number(oid), type);
  }

  copyOut(select: string, format: keyof typeof COPY_FORMATS = "binary"): Readable {
    const stream = this.#client.query(new CopyOut(`copy (${select}) to stdout (${COPY_FORMATS[format]})`));
    this.#silence.begin(this.#client);
    return this.#translateErrors(stream);
  }

  copyIn(into: string): Duplex {
    const stream = this.#client.query(
      copyFrom(`copy ${into} from stdin (format binary)`, { highWaterMark: COPY_BUFFER_BYTES }),
    );
    this.#silence.begin(this.#client, () => stream.writableEnded || stream.writableNeedDrain);
    return this.#translateErrors(stream) as unknown as Duplex;
  }

  async transaction<T>(work: () => Promise<T>, mode = ""): Promise<T> {
    await this.#begin(mode);
    try {
      const result = await work();
      await this.query("commit");
      return result;
    } catch (error) {
      // The first error is the one to show: a failed rollback means the connection is gone, and the server rolls back by itself.
      await this.query("rollback").catch((rollbackError: Error) => {
        this.#broken ??= rollbackError;
      });
      throw error;
    } finally {
      if (this.#isPooled && this.#broken === undefined) await this.#ambient();
    }
  }

  async beginSnapshot(): Promise<void> {
    this.#inSnapshot = true;
    await this.#begin(SNAPSHOT_MODE);
  }

  async joinSnapshot(snapshot: string): Promise<void> {
    this.#inSnapshot = true;
    await this.#begin(SNAPSHOT_MODE, `set transaction snapshot '${snapshot.replaceAll("'", "''")}'`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if ((this.#inSnapshot || this.#isAmbient) && !this.#copying && this.#broken === undefined) {
      await this.query("rollback").catch((error: Error) => {
        this.#broken = error;
      });
    }
    this.#client.removeAllListeners("error");
    // A COPY that nobody read to its end can only be ended with its connection.
    this.#client.release(this.#broken ?? this.#copying);
  }

  /** One statement, watched, with its failure as a problem. It ends no transaction that is only there for the settings. */
  async #standing<T>(sql: string | undefined, run: () => Promise<T>): Promise<T> {
    this.#silence.begin(this.#client);
    try {
      return await run();
    } catch (error) {
      const problem = toProblem(this.#reasonOf(error), this.#where, sql);
      if (this.#isAmbient) await this.#ambient().catch(() => undefined);
      throw problem;
    } finally {
      this.#silence.end(this.#client);
    }
  }

  async #begin(mode: string, first?: string): Promise<void> {
    if (this.#isAmbient) {
      this.#isAmbient = false;
      await this.query("rollback");
    }
    const settings = this.#isPooled ? [LOCAL_SETTINGS] : [];
    await this.query([`begin ${mode}`, ...(first === undefined ? [] : [first]), ...settings].join("; "));
    if (this.#isPooled) await this.query(LATE_LOCAL_SETTINGS);
  }

  /** Begins the transaction that is only there for the settings. */
  async #ambient(): Promise<void> {
    this.#isAmbient = false;
    await this.query(`rollback; begin read only; ${LOCAL_SETTINGS}`);
    await this.query(LATE_LOCAL_SETTINGS);
    this.#isAmbient = true;
  }

  /** Of a connection that ended while nothing was asked, the server's own last words: a standby that was in the way of its primary, for one. */
  #reasonOf(error: unknown): unknown {
    return sqlState(this.#broken) !== undefined && sqlState(error) === undefined ? this.#broken : error;
  }

  #translateErrors<S extends Readable | NodeJS.WritableStream>(stream: S): S {
    this.#copying = true;
    const done = () => {
      this.#copying = false;
      this.#silence.end(this.#client);
    };
    stream.once("end", done).once("finish", done);
    const emit = stream.emit.bind(stream);
    stream.emit = ((event: string, ...args: unknown[]) =>
      event === "error"
        ? emit(event, toProblem(this.#reasonOf(args[0]), this.#where))
        : emit(event, ...(args as []))) as S["emit"];
    return stream;
  }
}
