import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { RawCheck, RawReading, RawSource } from "../../ports/raw-source.ts";
import type { RawTarget, TargetTable, UploadChunk, Uploaded, UploadLedger } from "../../ports/raw-target.ts";
import { ask, quoted, textOf } from "./ask.ts";
import { type MysqlOptions, openMysql } from "./mysql.ts";
import { readTables } from "./target-catalogue.ts";
import { writingChecks } from "./target-checks.ts";
import { writeChunk } from "./target-chunk.ts";
import { WriteConnections } from "./target-connections.ts";
import { hasLedger, MysqlLedger } from "./target-ledger.ts";
import { type MysqlAddress, parseMysqlUrl } from "./url.ts";

/** Seconds. A server needs a moment to notice that the process before us was killed. */
const HOLD_SECONDS = 5;
/** ER_LOCK_DEADLOCK, and a lock that was waited for too long: the transaction is rolled back and may be tried again. */
const TRY_AGAIN: ReadonlySet<unknown> = new Set([1205, 1213]);
const ATTEMPTS = 5;
const PAUSE_MS = 200;

/** Tried on MySQL 9.7 and on MariaDB 10.11 and 11.8: one array more is refused. */
const JSON_LEVELS = { MySQL: 100, MariaDB: 31 } as const;

function lockName({ database }: MysqlAddress): string {
  return `crosswind ${createHash("sha256").update(database).digest("hex").slice(0, 32)}`;
}

class MysqlTarget implements RawTarget {
  readonly label: string;
  readonly address: string;
  readonly #source: RawSource;
  readonly #address: MysqlAddress;
  readonly #connections: WriteConnections;

  constructor(options: MysqlOptions) {
    this.#source = openMysql(options);
    this.label = this.#source.label;
    this.address = this.#source.address;
    this.#address = parseMysqlUrl(options.url);
    this.#connections = new WriteConnections(this.#address, this.label);
  }

  read(): Promise<RawReading> {
    return this.#source.read();
  }

  check(): Promise<readonly RawCheck[]> {
    return this.#source.check();
  }

  async checkWriting(): Promise<readonly RawCheck[]> {
    return await this.#connections.use(({ connection, server, takesFiles }) =>
      writingChecks(connection, { address: this.#address, user: server.user, takesFiles }),
    );
  }

  async tables(): Promise<readonly TargetTable[]> {
    return await this.#connections.use(({ connection, server }) => readTables(connection, server.product));
  }

  async mostJsonLevels(): Promise<number> {
    return await this.#connections.use(async ({ server }) => JSON_LEVELS[server.product]);
  }

  async hold(): Promise<AsyncDisposable | undefined> {
    const { connection } = await this.#connections.open();
    const name = connection.escape(lockName(this.#address));
    const [row] = await ask(connection, `select get_lock(${name}, ${HOLD_SECONDS}) as held`);
    if (textOf(row?.["held"]) === "1") return { [Symbol.asyncDispose]: async () => connection.destroy() };
    connection.destroy();
    return undefined;
  }

  async ledger({ make = false }: { readonly make?: boolean } = {}): Promise<UploadLedger | undefined> {
    const { database } = this.#address;
    const isThere = await this.#connections.use(({ connection }) => hasLedger(connection, database, make));
    if (!isThere) return undefined;
    return new MysqlLedger(database, (work) => this.#connections.use(({ connection }) => work(connection)));
  }

  async raiseNumber({ name, numbers }: TargetTable, next: number): Promise<void> {
    await this.#connections.use(async ({ connection }) => {
      const number = Math.floor(next);
      const sequence = numbers?.sequence;
      // Neither goes back below what is in use.
      if (sequence === undefined) await ask(connection, `alter table ${quoted(name)} auto_increment = ${number}`);
      else await ask(connection, `select setval(${quoted(sequence)}, ${number}, 0)`);
    });
  }

  async countNumbers({ name, numbers }: TargetTable, low: number, high: number): Promise<number> {
    if (numbers === undefined) return 0;
    const column = quoted(numbers.column);
    const sql = `select count(*) as n from ${quoted(name)} where ${column} between ${Math.floor(low)} and ${Math.floor(high)}`;
    const [row] = await this.#connections.use(({ connection }) => ask(connection, sql));
    return Number(row?.["n"] ?? 0);
  }

  async write(chunk: UploadChunk): Promise<Uploaded> {
    const { database } = this.#address;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connections.use(({ connection, takesFiles }) =>
          writeChunk(connection, chunk, { abilities: { takesFiles }, database }),
        );
      } catch (error) {
        const { errno } = ((error as { cause?: unknown }).cause ?? error) as { errno?: unknown };
        if (!TRY_AGAIN.has(errno) || attempt === ATTEMPTS) throw error;
        await sleep(PAUSE_MS * attempt);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }
}

/** A MySQL or MariaDB database as a target. Throws DATABASE_URL_INVALID. */
export function openMysqlTarget(options: MysqlOptions): RawTarget {
  return new MysqlTarget(options);
}
