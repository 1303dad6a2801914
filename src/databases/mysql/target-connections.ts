import type { Connection } from "mysql2";
import { ask, textOf } from "./ask.ts";
import { connect } from "./connect.ts";
import { toProblem } from "./errors.ts";
import { readServer, type Server } from "./mysql.ts";
import type { MysqlAddress } from "./url.ts";

/** Nothing may be cut, rounded to a limit or numbered anew in silence. */
const SQL_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO";

/** Seconds. A chunk is on its way for as long as its rows take; a table that is locked by a migration is told of soon. */
const SESSION = [
  "set session time_zone = '+00:00'",
  `set session sql_mode = '${SQL_MODE}'`,
  "set session foreign_key_checks = 1, session unique_checks = 1",
  "set session net_read_timeout = 3600, session net_write_timeout = 3600, session wait_timeout = 28800",
  "set session lock_wait_timeout = 30",
];

/**
 * The target's own Airflow goes on working beside a chunk: it must not wait for gaps between keys. A server that replicates statements refuses
 * this, and keeps its own default.
 */
const READ_COMMITTED = "set session transaction isolation level read committed";

/** A connection that may write. */
export interface Writer {
  readonly connection: Connection;
  readonly server: Server;
  readonly takesFiles: boolean;
}

/** A setting of the server; empty where it has none of that name: newer servers forget some. */
async function variable(connection: Connection, name: string): Promise<string> {
  const [row] = await ask(connection, `show variables where variable_name = '${name}'`);
  return textOf(row?.["Value"]);
}

/** Connections for writing, opened on demand and used again. */
export class WriteConnections implements AsyncDisposable {
  readonly #address: MysqlAddress;
  readonly #where: string;
  readonly #idle: Writer[] = [];
  #isOver = false;

  constructor(address: MysqlAddress, where: string) {
    this.#address = address;
    this.#where = where;
  }

  /** Opens one that is the caller's own. Throws the problems of the connection. */
  async open(): Promise<Writer> {
    const connection = await connect(this.#address, { where: this.#where, sendsFiles: true });
    try {
      const server = await readServer(connection, this.#where);
      for (const statement of SESSION) await ask(connection, statement);
      const files = await variable(connection, "local_infile");
      const logsStatements =
        (await variable(connection, "log_bin")) === "ON" &&
        (await variable(connection, "binlog_format")) === "STATEMENT";
      if (!logsStatements) await ask(connection, READ_COMMITTED);
      return { connection, server, takesFiles: files === "ON" };
    } catch (error) {
      connection.destroy();
      throw toProblem(error, this.#where);
    }
  }

  /** Lends a connection; one on which something failed is closed. Throws what the work throws, as a problem where it is one. */
  async use<T>(work: (writer: Writer) => Promise<T>): Promise<T> {
    const writer = this.#idle.pop() ?? (await this.open());
    try {
      const result = await work(writer);
      if (this.#isOver) writer.connection.destroy();
      else this.#idle.push(writer);
      return result;
    } catch (error) {
      writer.connection.destroy();
      throw toProblem(error, this.#where);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const { connection } of this.#idle.splice(0)) connection.destroy();
  }
}
