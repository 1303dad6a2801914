import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { RawCheck, RawReading, RawSource } from "../../ports/raw-source.ts";
import type { RawTarget, TargetTable, UploadChunk, Uploaded } from "../../ports/raw-target.ts";
import { uploadRefused } from "../problems.ts";
import { openSqlite, quoted, type SqliteOptions, toProblem } from "./sqlite.ts";
import { readTargetTables } from "./target-catalogue.ts";
import { writeRows } from "./target-chunk.ts";

/** How long to wait for Airflow's own writes, in milliseconds. */
const BUSY_MS = 30_000;
/** https://www.sqlite.org/rescode.html: SQLITE_BUSY, SQLITE_CONSTRAINT */
const [BUSY, CONSTRAINT] = [5, 19];
/** A document is a text: as deep as one likes. */
const ANY_LEVEL = 2 ** 31 - 1;

function codeOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : undefined;
}

/** Known in one place of the machine, and not beside Airflow's file. */
async function lockFile(path: string): Promise<string> {
  const name = createHash("sha256")
    .update(await realpath(path))
    .digest("hex")
    .slice(0, 32);
  return join(tmpdir(), `crosswind-${name}.lock`);
}

class SqliteTarget implements RawTarget {
  readonly label: string;
  readonly address: string;
  readonly #path: string;
  readonly #source: RawSource;
  /** The write that is under way: SQLite has one writer, and one of our own that waits for another would wait for ever. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SqliteOptions) {
    this.#source = openSqlite(options);
    this.#path = options.path;
    this.label = this.#source.label;
    this.address = this.#source.address;
  }

  read(): Promise<RawReading> {
    return this.#source.read();
  }

  async check(): Promise<readonly RawCheck[]> {
    return await this.#source.check();
  }

  async checkWriting(): Promise<readonly RawCheck[]> {
    const about = { id: "writing", title: "Rights to write" } as const;
    const places = [this.#path, dirname(this.#path)];
    const refused: string[] = [];
    for (const place of places) await access(place, constants.W_OK).catch(() => refused.push(place));
    const note = { id: "ledger", title: "Ledger", status: "note" } as const;
    return [
      refused.length === 0
        ? { ...about, status: "ok", detail: "the file and its folder may be written" }
        : { ...about, status: "blocker", detail: `may not be written: ${refused.join(", ")}` },
      { ...note, detail: "what was written is recorded in staging and told by the rows themselves" },
    ];
  }

  async tables(): Promise<readonly TargetTable[]> {
    await using reading = await this.read();
    using database = this.#open();
    return readTargetTables(
      database,
      reading.tables.map(({ name }) => name),
    );
  }

  async mostJsonLevels(): Promise<number> {
    return ANY_LEVEL;
  }

  async hold(): Promise<AsyncDisposable | undefined> {
    const database = new DatabaseSync(await lockFile(this.#path));
    try {
      database.exec("begin exclusive");
      return { [Symbol.asyncDispose]: async () => database.close() };
    } catch (error) {
      database.close();
      if (codeOf(error) === BUSY) return undefined;
      throw error;
    }
  }

  /** Airflow's file takes no second database beside it. */
  async ledger(): Promise<undefined> {
    return undefined;
  }

  async raiseNumber(): Promise<void> {
    // The next number is one more than the highest: there is nothing to raise.
  }

  async countNumbers({ name, numbers }: TargetTable, low: number, high: number): Promise<number> {
    if (numbers === undefined) return 0;
    using database = this.#open();
    const sql = `select count(*) as n from ${quoted(name)} where ${quoted(numbers.column)} between ? and ?`;
    return Number(database.prepare(sql).get(low, high)?.["n"] ?? 0);
  }

  async write(chunk: UploadChunk): Promise<Uploaded> {
    const written = this.#last.then(() => this.#write(chunk));
    this.#last = written.catch(() => undefined);
    return await written;
  }

  async #write(chunk: UploadChunk): Promise<Uploaded> {
    using database = this.#open();
    try {
      database.exec("begin immediate");
      const rows = await writeRows(database, chunk);
      database.exec("commit");
      return { isNew: true, rows };
    } catch (error) {
      if (database.isTransaction) database.exec("rollback");
      if (codeOf(error) !== CONSTRAINT) throw toProblem(error, this.#path);
      const detail = (error as Error).message;
      throw uploadRefused({ table: chunk.table.name, chunk: chunk.name, detail }, { cause: error });
    }
  }

  /** As Airflow opens it: foreign keys are looked at. */
  #open(): DatabaseSync {
    return new DatabaseSync(this.#path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
  }
}

/** A SQLite file as a target: for somebody's own Airflow to try things on, not for production. */
export function openSqliteTarget(options: SqliteOptions): RawTarget {
  return new SqliteTarget(options);
}
