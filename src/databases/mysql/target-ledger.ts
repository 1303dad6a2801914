import { createHash } from "node:crypto";
import type { Connection } from "mysql2";
import type { KeptLedger, KeptRun, UploadClaim, UploadLedger } from "../../ports/raw-target.ts";
import { ask, quoted, textOf } from "./ask.ts";

/** Longest name of a database. Source: MySQL manual, "Identifier Length Limits". */
const LONGEST_NAME = 64;
/** Bytes of one part of the ledger: within any server's max_allowed_packet. */
const PART_BYTES = 256 * 1024;

/** Errors that say: it may not be made, or is not there. Source: MySQL manual, "Server Error Message Reference". */
const REFUSED: ReadonlySet<unknown> = new Set([1044, 1049, 1142, 1146, 1227]);

const TABLES = [
  `run (id char(36) not null primary key, mirror varchar(100) not null, summary longtext,
    began_at timestamp not null default current_timestamp, finished_at timestamp null default null)`,
  `ledger (name varchar(64) not null, chunk varchar(190) not null, part integer not null, content longtext not null,
    primary key (name, chunk, part))`,
  `chunk (run char(36) not null, chunk varchar(190) not null, rows_written bigint not null,
    at timestamp not null default current_timestamp, primary key (run, chunk))`,
];

/** The database of the ledger, beside that of Airflow. */
export function ledgerName(schema: string): string {
  const name = `crosswind_${schema}`;
  if (name.length <= LONGEST_NAME) return name;
  return `crosswind_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`;
}

export function ledgerTable(schema: string, table: "run" | "ledger" | "chunk"): string {
  return `${quoted(ledgerName(schema))}.${table}`;
}

function isRefused(error: unknown): boolean {
  return REFUSED.has((error as { errno?: unknown }).errno);
}

async function isThere(connection: Connection, schema: string): Promise<boolean> {
  try {
    await ask(connection, `select 1 from ${ledgerTable(schema, "chunk")} limit 1`);
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    throw error;
  }
}

/** True where the ledger is there; `make`: it is made where it is missing, and may be. */
export async function hasLedger(connection: Connection, schema: string, make: boolean): Promise<boolean> {
  if (await isThere(connection, schema)) return true;
  if (!make) return false;
  const name = quoted(ledgerName(schema));
  try {
    await ask(connection, `create database if not exists ${name} character set utf8mb4 collate utf8mb4_bin`);
    for (const table of TABLES) await ask(connection, `create table if not exists ${name}.${table} engine=InnoDB`);
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    throw error;
  }
}

/** Rows in parts, each within a packet. */
function inParts(rows: readonly string[]): readonly string[] {
  const parts: string[] = [];
  let part: string[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (bytes + row.length > PART_BYTES && part.length > 0) {
      parts.push(JSON.stringify(part));
      [part, bytes] = [[], 0];
    }
    part.push(row);
    bytes += row.length;
  }
  return part.length === 0 ? parts : [...parts, JSON.stringify(part)];
}

/** Writes rows of the ledger, in the connection's transaction. `chunk`: what they came with; empty for the whole. */
export async function writeParts(
  connection: Connection,
  schema: string,
  { chunk, ledger }: { readonly chunk: string; readonly ledger: KeptLedger },
): Promise<void> {
  for (const [name, rows] of Object.entries(ledger.tables)) {
    for (const [part, content] of inParts(rows).entries()) {
      const values = [name, chunk, content].map((value) => connection.escape(value));
      await ask(
        connection,
        `insert into ${ledgerTable(schema, "ledger")} (name, chunk, part, content) values (${values[0]}, ${values[1]}, ${part}, ${values[2]})`,
      );
    }
  }
}

/** The ledger in the target's own server. `use` lends a connection. */
export class MysqlLedger implements UploadLedger {
  readonly isInTarget = true;
  readonly #schema: string;
  readonly #use: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;

  constructor(schema: string, use: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>) {
    this.#schema = schema;
    this.#use = use;
  }

  async read(): Promise<KeptLedger | undefined> {
    const rows = await this.#use((connection) =>
      ask(connection, `select name, content from ${ledgerTable(this.#schema, "ledger")} order by name, chunk, part`),
    );
    if (rows.length === 0) return undefined;
    const tables: Record<string, string[]> = {};
    for (const row of rows) {
      const content = JSON.parse(textOf(row["content"])) as readonly string[];
      (tables[textOf(row["name"])] ??= []).push(...content);
    }
    return { tables };
  }

  async add({ chunk }: UploadClaim, ledger: KeptLedger): Promise<void> {
    await this.#use((connection) => writeParts(connection, this.#schema, { chunk, ledger }));
  }

  async readRun(id: string): Promise<KeptRun | undefined> {
    const [row] = await this.#use((connection) =>
      ask(
        connection,
        `select mirror, summary from ${ledgerTable(this.#schema, "run")} where id = ${connection.escape(id)}`,
      ),
    );
    if (row === undefined) return undefined;
    const summary = textOf(row["summary"]);
    return { mirror: textOf(row["mirror"]), ...(summary === "" ? {} : { summary }) };
  }

  async remove(): Promise<void> {
    await this.#use((connection) => ask(connection, `drop database if exists ${quoted(ledgerName(this.#schema))}`));
  }

  async write(run: KeptRun & { readonly id: string }, { tables }: KeptLedger): Promise<void> {
    await this.#use(async (connection) => {
      const [id, mirror, summary] = [run.id, run.mirror, run.summary ?? null].map((value) => connection.escape(value));
      const finished = run.summary === undefined ? "null" : "current_timestamp";
      await ask(connection, "start transaction");
      try {
        await ask(
          connection,
          `insert into ${ledgerTable(this.#schema, "run")} (id, mirror, summary, finished_at) values (${id}, ${mirror}, ${summary}, ${finished})
           on duplicate key update summary = ${summary}, finished_at = ${finished}`,
        );
        await ask(connection, `delete from ${ledgerTable(this.#schema, "ledger")}`);
        await writeParts(connection, this.#schema, { chunk: "", ledger: { tables } });
        await ask(connection, "commit");
      } catch (error) {
        await ask(connection, "rollback").catch(() => undefined);
        throw error;
      }
    });
  }
}
