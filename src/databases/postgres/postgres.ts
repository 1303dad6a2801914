import type { Duplex, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool, type PoolClient } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { Secret } from "../../domain/secret.ts";
import type { Database, DescribedColumn, Row, Session } from "../../ports/database.ts";
import { CopyOut } from "./copy-out.ts";
import { sqlState, toProblem } from "./errors.ts";
import { behindPooler } from "./problems.ts";
import { SilenceWatch } from "./silence.ts";
import { parsePostgresUrl } from "./url.ts";

export interface PostgresOptions {
  readonly url: Secret;
  /** `source` or `target`, for messages and for `application_name`. */
  readonly name: string;
  /** Added to `application_name`: tells this process's sessions from those of others. Default: nothing. */
  readonly tag?: string;
  /** Refuse every write at the server. Default false. */
  readonly readOnly?: boolean;
  /** Most sessions at once. Default 4. */
  readonly maxSessions?: number;
  /** How long to wait for a connection, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** Settings that make the text of a value the same on every server, whatever its configuration. */
const PINNED = [
  "-c TimeZone=UTC",
  "-c DateStyle=ISO,YMD",
  "-c IntervalStyle=postgres",
  "-c extra_float_digits=3",
  "-c bytea_output=hex",
  "-c standard_conforming_strings=on",
  "-c search_path=public",
  "-c statement_timeout=0",
  "-c idle_in_transaction_session_timeout=0",
  // A server that nobody answers any more lets go of its locks after two minutes; the system's own default is two hours.
  "-c tcp_keepalives_idle=30",
  "-c tcp_keepalives_interval=10",
  // Nobody's setting: it tells whether these arrived.
  "-c crosswind.pinned=yes",
].join(" ");

/** A pooler hands out sessions of its own, without what the connection began with. Timeouts that not every server knows can not be among that. */
const ASSURE = `select coalesce(current_setting('crosswind.pinned', true), '') = 'yes' as pinned,
  (select count(set_config(name, '0', false)) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout'))`;

/**
 * Joins of a chunk with the runs stay in memory: with the default of 4 MB half of them went through files and took twice as long. Compiling
 * a query takes longer than it saves on a chunk.
 */
const TUNED = "-c work_mem=64MB -c jit=off";

/** Bytes that a COPY stream may hold ready: enough that neither side waits for the other, small enough for 250 MB in all. */
const COPY_BUFFER_BYTES = 256 * 1024;

/** A peer that is gone without a word is noticed after this, in milliseconds, and ten probes a second apart; the system's own default is two hours. */
const KEEP_ALIVE_MS = 20_000;

/** How long connections may take to close, in milliseconds, before they are cut. */
const CLOSE_MS = 3000;

/** Options of COPY. */
const COPY_FORMATS = { binary: "format binary", csv: "format csv, null 'NULL', force_quote *" } as const;

class PostgresSession implements Session {
  readonly #client: PoolClient;
  readonly #where: string;
  readonly #silence: SilenceWatch;
  /** Names of types by their numbers, as far as they were asked for. */
  readonly #types = new Map<number, string>();
  #broken: Error | undefined;
  #copying = false;
  #inSnapshot = false;

  constructor(client: PoolClient, where: string, silence: SilenceWatch) {
    this.#client = client;
    this.#where = where;
    this.#silence = silence;
    client.on("error", (error: Error) => {
      // The first says why; what follows only that the connection is gone.
      this.#broken ??= error;
    });
  }

  async query<R extends Row = Row>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> {
    this.#silence.begin(this.#client);
    try {
      const result = await this.#client.query<R>(sql, [...values]);
      return result.rows;
    } catch (error) {
      throw toProblem(this.#reasonOf(error), this.#where, sql);
    } finally {
      this.#silence.end(this.#client);
    }
  }

  async describe(sql: string): Promise<readonly DescribedColumn[]> {
    this.#silence.begin(this.#client);
    try {
      const result = await this.#client.query({ text: `select * from (${sql}) described limit 0`, rowMode: "array" });
      await this.#nameTypes(result.fields.map((field) => field.dataTypeID));
      return result.fields.map(({ name, dataTypeID }) => ({ name, type: this.#types.get(dataTypeID) ?? "unknown" }));
    } catch (error) {
      throw toProblem(this.#reasonOf(error), this.#where);
    } finally {
      this.#silence.end(this.#client);
    }
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
    await this.query(`begin ${mode}`);
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
    }
  }

  async joinSnapshot(snapshot: string): Promise<void> {
    this.#inSnapshot = true;
    const name = `'${snapshot.replaceAll("'", "''")}'`;
    await this.query(`begin isolation level repeatable read, read only; set transaction snapshot ${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#inSnapshot && !this.#copying && this.#broken === undefined) {
      await this.query("rollback").catch((error: Error) => {
        this.#broken = error;
      });
    }
    this.#client.removeAllListeners("error");
    // A COPY that nobody read to its end can only be ended with its connection.
    this.#client.release(this.#broken ?? this.#copying);
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

/** A new session is the server's own, with the settings that it began with. Throws DATABASE_BEHIND_POOLER. */
async function assure(client: PoolClient, at: { readonly where: string; readonly timeoutMs: number }): Promise<void> {
  // A connection that is lost meanwhile is told by the query; without a listener it would end the process.
  client.on("error", () => {});
  // The driver takes a timeout with each query, which its types leave out.
  const query = { text: ASSURE, query_timeout: at.timeoutMs };
  const { rows } = await client.query<{ pinned: boolean }>(query);
  if (rows[0]?.pinned !== true) throw behindPooler({ where: at.where });
}

class PostgresDatabase implements Database {
  readonly label: string;
  readonly address: string;
  readonly #pool: Pool;
  readonly #silence: SilenceWatch;

  constructor(options: PostgresOptions) {
    const address = parsePostgresUrl(options.url);
    this.address = address.label;
    this.label = `${options.name} (${address.label})`;
    const readOnly = options.readOnly === true ? " -c default_transaction_read_only=on" : "";
    const connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    const connection = {
      connectionString: address.connectionString,
      application_name: ["crosswind", options.name, ...(options.tag === undefined ? [] : [options.tag])].join(" "),
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    };
    const pool = new Pool({
      ...connection,
      options: `${PINNED} ${TUNED}${readOnly}`,
      max: options.maxSessions ?? 4,
      connectionTimeoutMillis: connectTimeoutMs,
      verify: (client, done) => {
        assure(client, { where: this.label, timeoutMs: connectTimeoutMs }).then(() => done(), done);
      },
    });
    this.#pool = pool;
    const silence = new SilenceWatch(connection);
    this.#silence = silence;
    this.#pool.on("connect", (client) => silence.add(client)).on("remove", (client) => silence.remove(client));
    // An idle connection that dies is replaced by the pool; whoever needs one learns it from their own statement.
    this.#pool.on("error", () => {});
  }

  async session(): Promise<Session> {
    try {
      return new PostgresSession(await this.#pool.connect(), this.label, this.#silence);
    } catch (error) {
      throw toProblem(error, this.label);
    }
  }

  async query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]> {
    await using session = await this.session();
    return await session.query<R>(sql, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using silence = this.#silence;
    await Promise.race([this.#pool.end(), sleep(CLOSE_MS, undefined, { ref: false })]);
    silence.cut();
  }
}

/** Opens a Postgres database. Connects when the first session is asked for; throws DATABASE_URL_INVALID at once. */
export function openPostgres(options: PostgresOptions): Database {
  return new PostgresDatabase(options);
}
