import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { RawCheck, RawFacts, RawReading, RawRow, RawSource, RawTable } from "../../ports/raw-source.ts";
import { RowBatch } from "../row-batch.ts";
import * as problems from "./problems.ts";

/** How long to wait for a writer to finish, in milliseconds. */
const BUSY_MS = 10_000;
/** A file changed so lately may change again without a trace: its time has been counted in ticks of some milliseconds. */
const SETTLED_MS = 2_000;

/** https://www.sqlite.org/rescode.html */
const MAKERS: Readonly<
  Record<number, (facts: { file: string; reason: string }, options: { cause: unknown }) => Error>
> = {
  5: problems.sqliteLocked,
  6: problems.sqliteLocked,
  10: problems.sqliteCorrupt,
  11: problems.sqliteCorrupt,
  14: problems.sqliteFileMissing,
  26: problems.sqliteNoDatabase,
};

/** The problem that an error of SQLite is; anything else as it came. */
export function toProblem(error: unknown, file: string): unknown {
  const { errcode, message } = error as { errcode?: unknown; message?: unknown };
  const make = typeof errcode === "number" ? MAKERS[errcode & 0xff] : undefined;
  return make === undefined ? error : make({ file, reason: String(message) }, { cause: error });
}

/** Quotes an identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * What tells that nobody wrote to the file: its own size and time, and those of its log, unless that is empty. Undefined where the last write is
 * too near. Not the times of the files' owners and modes: opening a log as root sets these.
 */
async function fingerprint(file: string): Promise<string | undefined> {
  const parts = await Promise.all(
    [file, `${file}-wal`].map(async (each) => {
      const facts = await stat(each, { bigint: true }).catch(() => undefined);
      if (facts === undefined || facts.size === 0n) return undefined;
      return { text: [facts.ino, facts.size, facts.mtimeNs].join(":"), at: Number(facts.mtimeMs) };
    }),
  );
  const newest = Math.max(...parts.map((part) => part?.at ?? 0));
  const age = performance.timeOrigin + performance.now() - newest;
  return age < SETTLED_MS ? undefined : parts.map((part) => part?.text ?? "none").join("/");
}

async function assertFile(path: string): Promise<{ readonly file: string; readonly inode: bigint }> {
  try {
    const file = await realpath(path);
    const facts = await stat(file, { bigint: true });
    if (!facts.isFile()) throw problems.sqliteFileMissing({ file, reason: "that is no file" });
    if (facts.size === 0n) throw problems.sqliteNoDatabase({ file, reason: "it is empty" });
    await access(file, constants.R_OK);
    return { file, inode: facts.ino };
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== "string" || !/^E[A-Z]+$/.test(code)) throw error;
    throw problems.sqliteFileMissing({ file: path, reason: code }, { cause: error });
  }
}

/** A table's columns with what SQLite knows of them. `ignoresCase` is false: no release of Airflow uses NOCASE. */
function readTable(database: DatabaseSync, name: string): RawTable {
  const columns = database.prepare("select name, type, pk from pragma_table_info(?) order by cid").all(name);
  return {
    name,
    columns: columns.map((each) => ({
      name: String(each["name"]),
      isBinary: /blob|binary/i.test(String(each["type"])),
      ignoresCase: false,
    })),
    key: columns
      .filter((each) => Number(each["pk"]) > 0)
      .sort((one, other) => Number(one["pk"]) - Number(other["pk"]))
      .map((each) => String(each["name"])),
  };
}

class SqliteReading implements RawReading {
  readonly facts: RawFacts;
  readonly tables: readonly RawTable[];
  readonly #database: DatabaseSync;
  readonly #file: string;

  constructor(
    database: DatabaseSync,
    file: string,
    marks: { readonly inode: bigint; readonly fingerprint: string | undefined },
  ) {
    this.#database = database;
    this.#file = file;
    const [first] = database
      .prepare(
        "select sqlite_version() as version, page_count * page_size as size from pragma_page_count(), pragma_page_size()",
      )
      .all();
    this.facts = {
      identity: `sqlite:${file}#${marks.inode}`,
      server: `SQLite ${String(first?.["version"])}`,
      sizeBytes: Number(first?.["size"]),
      ...(marks.fingerprint === undefined ? {} : { unchangedSince: marks.fingerprint }),
    };
    const names = database
      .prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' and sql not like 'create virtual%' order by 1",
      )
      .all();
    this.tables = names.map((row) => readTable(database, String(row["name"])));
  }

  async *rows(table: RawTable, { isExact = false } = {}): AsyncGenerator<readonly RawRow[]> {
    const columns = table.columns.map(({ name }) => {
      const column = quoted(name);
      return isExact ? `case when typeof(${column}) = 'text' then cast(${column} as blob) else ${column} end` : column;
    });
    try {
      const statement = this.#database.prepare(`select ${columns.join(", ")} from ${quoted(table.name)}`);
      statement.setReturnArrays(true);
      statement.setReadBigInts(true);
      const batch = new RowBatch();
      // With arrays asked for, a row is one; the types do not know.
      for (const row of statement.iterate() as Iterable<unknown> as Iterable<SQLOutputValue[]>) {
        if (batch.add(row)) yield batch.take();
      }
      yield batch.take();
    } catch (error) {
      throw toProblem(error, this.#file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }
}

class SqliteSource implements RawSource {
  readonly label: string;
  readonly address: string;
  readonly #path: string;

  constructor({ path, name }: SqliteOptions) {
    this.#path = path;
    this.address = `sqlite:///${path}`;
    this.label = `${name} (${this.address})`;
  }

  async read(): Promise<SqliteReading> {
    const { file, inode } = await assertFile(this.#path);
    // Loaded when it is needed: only this kind of source needs it.
    const { DatabaseSync: Opened } = await import("node:sqlite");
    // Before the snapshot: what is written in between makes the next reading differ, and not the other way round.
    const mark = await fingerprint(file);
    let database: DatabaseSync | undefined;
    try {
      database = new Opened(file, { readOnly: true, timeout: BUSY_MS });
      database.exec("pragma query_only = on; begin");
      return new SqliteReading(database, file, { inode, fingerprint: mark });
    } catch (error) {
      database?.close();
      throw toProblem(error, file);
    }
  }

  async check(): Promise<readonly RawCheck[]> {
    await using reading = await this.read();
    const { server, sizeBytes } = reading.facts;
    const { file } = await assertFile(this.#path);
    const { DatabaseSync: Opened } = await import("node:sqlite");
    using database = new Opened(file, { readOnly: true, timeout: BUSY_MS });
    const mode = String(database.prepare("pragma journal_mode").get()?.["journal_mode"]);
    return [
      { id: "version", title: "Server version", status: "ok", detail: server },
      { id: "read-only", title: "Read only", status: "ok", detail: "the file is opened read-only" },
      mode === "wal"
        ? { id: "journal", title: "Journal", status: "ok", detail: "WAL: Airflow writes on while it is read" }
        : {
            id: "journal",
            title: "Journal",
            status: "note",
            detail: `journal mode ${mode}: what Airflow writes waits while the file is read`,
            next: ["stop Airflow for the time of plan, apply and verify"],
          },
      {
        id: "size",
        title: "Room on disk",
        status: "note",
        detail: `${Math.ceil(sizeBytes / 1024 / 1024)} MiB: staging needs about as much free`,
      },
    ];
  }
}

export interface SqliteOptions {
  /** Absolute. */
  readonly path: string;
  /** `source`, for messages. */
  readonly name: string;
}

/** A SQLite file as a source; it is opened when it is read, and never written. */
export function openSqlite(options: SqliteOptions): RawSource {
  return new SqliteSource(options);
}
