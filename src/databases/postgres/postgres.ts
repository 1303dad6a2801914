import type { Duplex, Readable } from "node:stream";
import { Pool, type PoolClient } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { Secret } from "../../domain/secret.ts";
import type { Database, DescribedColumn, Row, Session } from "../../ports/database.ts";
import { CopyOut } from "./copy-out.ts";
import { toProblem } from "./errors.ts";
import { parsePostgresUrl } from "./url.ts";

export interface PostgresOptions {
  readonly url: Secret;
  /** `source` or `target`, for messages and for `application_name`. */
  readonly name: string;
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
].join(" ");

/**
 * Joins of a chunk with the runs stay in memory: with the default of 4 MB half of them went through files and took twice as long. Compiling
 * a query takes longer than it saves on a chunk.
 */
const TUNED = "-c work_mem=64MB -c jit=off";

/** Bytes that a COPY stream may hold ready: enough that neither side waits for the other, small enough for 250 MB in all. */
const COPY_BUFFER_BYTES = 256 * 1024;

/** Options of COPY. */
const COPY_FORMATS = { binary: "format binary", csv: "format csv, null 'NULL', force_quote *" } as const;

class PostgresSession implements Session {
  readonly #client: PoolClient;
  readonly #where: string;
  #broken: Error | undefined;
  #copying = false;
  #inSnapshot = false;

  constructor(client: PoolClient, where: string) {
    this.#client = client;
    this.#where = where;
    client.on("error", (error: Error) => {
      this.#broken = error;
    });
  }

  async query<R extends Row = Row>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> {
    try {
      const result = await this.#client.query<R>(sql, [...values]);
      return result.rows;
    } catch (error) {
      throw toProblem(error, this.#where);
    }
  }

  async describe(sql: string): Promise<readonly DescribedColumn[]> {
    try {
      const result = await this.#client.query({ text: `select * from (${sql}) described limit 0`, rowMode: "array" });
      const types = await this.query<{ type: string }>(
        "select format_type(t.oid, null) as type from unnest($1::oid[]) with ordinality t(oid, n) order by t.n",
        [result.fields.map((field) => field.dataTypeID)],
      );
      return result.fields.map((field, index) => ({ name: field.name, type: types[index]?.type ?? "unknown" }));
    } catch (error) {
      throw toProblem(error, this.#where);
    }
  }

  copyOut(select: string, format: keyof typeof COPY_FORMATS = "binary"): Readable {
    const stream = this.#client.query(new CopyOut(`copy (${select}) to stdout (${COPY_FORMATS[format]})`));
    return this.#translateErrors(stream);
  }

  copyIn(into: string): Duplex {
    const stream = this.#client.query(
      copyFrom(`copy ${into} from stdin (format binary)`, { highWaterMark: COPY_BUFFER_BYTES }),
    );
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
    await this.query("begin isolation level repeatable read, read only");
    this.#inSnapshot = true;
    await this.query(`set transaction snapshot '${snapshot.replaceAll("'", "''")}'`);
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

  #translateErrors<S extends Readable | NodeJS.WritableStream>(stream: S): S {
    this.#copying = true;
    const done = () => {
      this.#copying = false;
    };
    stream.once("end", done).once("finish", done);
    const emit = stream.emit.bind(stream);
    stream.emit = ((event: string, ...args: unknown[]) =>
      event === "error" ? emit(event, toProblem(args[0], this.#where)) : emit(event, ...(args as []))) as S["emit"];
    return stream;
  }
}

class PostgresDatabase implements Database {
  readonly label: string;
  readonly address: string;
  readonly #pool: Pool;

  constructor(options: PostgresOptions) {
    const address = parsePostgresUrl(options.url);
    this.address = address.label;
    this.label = `${options.name} (${address.label})`;
    const readOnly = options.readOnly === true ? " -c default_transaction_read_only=on" : "";
    this.#pool = new Pool({
      connectionString: address.connectionString,
      application_name: `crosswind ${options.name}`,
      options: `${PINNED} ${TUNED}${readOnly}`,
      max: options.maxSessions ?? 4,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
      keepAlive: true,
    });
    // An idle connection that dies is replaced by the pool; whoever needs one learns it from their own statement.
    this.#pool.on("error", () => {});
  }

  async session(): Promise<Session> {
    try {
      return new PostgresSession(await this.#pool.connect(), this.label);
    } catch (error) {
      throw toProblem(error, this.label);
    }
  }

  async query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]> {
    await using session = await this.session();
    return await session.query<R>(sql, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}

/** Opens a Postgres database. Connects when the first session is asked for; throws DATABASE_URL_INVALID at once. */
export function openPostgres(options: PostgresOptions): Database {
  return new PostgresDatabase(options);
}
