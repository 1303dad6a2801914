import { setTimeout as sleep } from "node:timers/promises";
import { Pool, type PoolClient } from "pg";
import type { Secret } from "../../domain/secret.ts";
import type { Database, Row, Session } from "../../ports/database.ts";
import { isPoolerProblem, toProblem } from "./errors.ts";
import { behindPooler } from "./problems.ts";
import { type KeepsSettings, PostgresSession } from "./session.ts";
import { ASSURE, startupOptions } from "./settings.ts";
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

/** A peer that is gone without a word is noticed after this, in milliseconds, and ten probes a second apart; the system's own default is two hours. */
const KEEP_ALIVE_MS = 20_000;

/** How long connections may take to close, in milliseconds, before they are cut. */
const CLOSE_MS = 3000;

/** A new session is the server's own, with the settings that it began with. Throws DATABASE_BEHIND_POOLER. */
async function assure(client: PoolClient, at: { readonly where: string; readonly timeoutMs: number }): Promise<void> {
  // A connection that is lost meanwhile is told by the query; without a listener it would end the process.
  client.on("error", () => {});
  // The driver takes a timeout with each query, which its types leave out.
  const query = { text: ASSURE, query_timeout: at.timeoutMs };
  const { rows } = await client.query<{ pinned: boolean }>(query);
  if (rows[0]?.pinned !== true) throw behindPooler({ where: at.where });
}

function labelOf(name: string, address: string): string {
  return `${name} (${address})`;
}

/** Connections of one kind: with settings of their own, or through a pooler without. */
class Connections implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #silence: SilenceWatch;
  readonly #where: string;
  readonly #keepsSettings: KeepsSettings;

  constructor({ name, tag, url, ...options }: PostgresOptions, keepsSettings: KeepsSettings) {
    const address = parsePostgresUrl(url);
    this.#where = labelOf(name, address.label);
    this.#keepsSettings = keepsSettings;
    const connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    const connection = {
      connectionString: address.connectionString,
      application_name: ["crosswind", name, ...(tag === undefined ? [] : [tag])].join(" "),
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    };
    this.#pool = new Pool({
      ...connection,
      max: options.maxSessions ?? 4,
      connectionTimeoutMillis: connectTimeoutMs,
      ...(keepsSettings === "transaction"
        ? {}
        : {
            options: startupOptions(options.readOnly === true),
            verify: (client, done) => {
              assure(client, { where: this.#where, timeoutMs: connectTimeoutMs }).then(() => done(), done);
            },
          }),
    });
    const silence = new SilenceWatch(connection);
    this.#silence = silence;
    this.#pool.on("connect", (client) => silence.add(client)).on("remove", (client) => silence.remove(client));
    // An idle connection that dies is replaced by the pool; whoever needs one learns it from their own statement.
    this.#pool.on("error", () => {});
  }

  async session(): Promise<Session> {
    const parts = { where: this.#where, silence: this.#silence, keepsSettings: this.#keepsSettings };
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw toProblem(error, this.#where);
    }
    const session = new PostgresSession({ ...parts, client });
    try {
      await session.start();
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using silence = this.#silence;
    await Promise.race([this.#pool.end(), sleep(CLOSE_MS, undefined, { ref: false })]);
    silence.cut();
  }
}

class PostgresDatabase implements Database {
  readonly label: string;
  readonly address: string;
  readonly #options: PostgresOptions;
  #connections: Connections;
  /** Those that a pooler was found in front of: others may still wait for one of them. */
  #former: Connections | undefined;

  constructor(options: PostgresOptions) {
    this.address = parsePostgresUrl(options.url).label;
    this.label = labelOf(options.name, this.address);
    this.#options = options;
    this.#connections = new Connections(options, "session");
  }

  get isPooled(): boolean {
    return this.#former !== undefined;
  }

  async session(): Promise<Session> {
    const tried = this.#connections;
    try {
      return await tried.session();
    } catch (error) {
      // What is only read needs nothing of a session that a transaction does not have. Who writes needs locks that last.
      if (!isPoolerProblem(error) || this.#options.readOnly !== true) throw error;
      if (tried === this.#connections) {
        // A pooler that does not even keep a transaction together.
        if (this.#former !== undefined) throw error;
        this.#former = tried;
        this.#connections = new Connections(this.#options, "transaction");
      }
      return await this.#connections.session();
    }
  }

  async query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]> {
    await using session = await this.session();
    return await session.query<R>(sql, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#former?.[Symbol.asyncDispose]();
    await this.#connections[Symbol.asyncDispose]();
  }
}

/** Opens a Postgres database. Connects when the first session is asked for; throws DATABASE_URL_INVALID at once. */
export function openPostgres(options: PostgresOptions): Database {
  return new PostgresDatabase(options);
}
