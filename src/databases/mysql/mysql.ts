import type { Connection } from "mysql2";
import type { Secret } from "../../domain/secret.ts";
import type { RawCheck, RawFacts, RawReading, RawRow, RawSource, RawTable } from "../../ports/raw-source.ts";
import { ask, quoted, textOf } from "./ask.ts";
import { refusedTables, rightsCheck, sizeCheck, tlsCheck } from "./checks.ts";
import { connect } from "./connect.ts";
import { toProblem } from "./errors.ts";
import * as problems from "./problems.ts";
import { streamRows } from "./stream-rows.ts";
import { type MysqlAddress, parseMysqlUrl } from "./url.ts";

/** Airflow itself speaks UTC to MySQL (airflow/settings.py sets the session's time_zone). A slow reader must not lose its connection. */
const SESSION = [
  "set session time_zone = '+00:00'",
  "set session net_write_timeout = 3600",
  "set session transaction isolation level repeatable read",
  "set session transaction read only",
];

/** Names that only one of both products has. */
const OF_PRODUCT = {
  MariaDB: { patience: "set session max_statement_time = 0", oldest: [10, 4] },
  MySQL: { patience: "set session max_execution_time = 0", oldest: [5, 7] },
} as const;

/** Without columns that the server computes: nobody writes them. */
const COLUMNS = `
  select c.table_name as \`table\`, c.column_name as name, c.data_type as type, c.collation_name as \`collation\`
  from information_schema.columns c
  join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
  where c.table_schema = database() and t.table_type = 'BASE TABLE' and coalesce(c.generation_expression, '') = ''
  order by c.table_name, c.ordinal_position`;

const KEYS = `
  select table_name as \`table\`, column_name as name from information_schema.key_column_usage
  where table_schema = database() and constraint_name = 'PRIMARY' order by table_name, ordinal_position`;

const SIZE = `
  select coalesce(sum(data_length), 0) as size from information_schema.tables where table_schema = database()`;

/** A FLOAT's text has six digits; as a double it is what is kept. */
interface ReadColumn {
  readonly name: string;
  readonly isFloat: boolean;
}

class MysqlReading implements RawReading {
  readonly facts: RawFacts;
  readonly tables: readonly RawTable[];
  readonly #connection: Connection;
  readonly #where: string;
  readonly #columns: ReadonlyMap<string, readonly ReadColumn[]>;

  constructor(connection: Connection, where: string, read: ReadCatalogue) {
    this.#connection = connection;
    this.#where = where;
    this.facts = read.facts;
    this.tables = read.tables;
    this.#columns = read.columns;
  }

  async *rows(table: RawTable): AsyncGenerator<readonly RawRow[]> {
    const columns = (this.#columns.get(table.name) ?? []).map(({ name, isFloat }) =>
      isFloat ? `${quoted(name)} * 1e0` : quoted(name),
    );
    const order = table.key.length === 0 ? "" : ` order by ${table.key.map(quoted).join(", ")}`;
    try {
      yield* streamRows(this.#connection, `select ${columns.join(", ")} from ${quoted(table.name)}${order}`);
    } catch (error) {
      throw toProblem(error, this.#where);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Not a polite end: a statement that nobody reads to its end would hold it up.
    this.#connection.destroy();
  }
}

interface ReadCatalogue {
  readonly facts: RawFacts;
  readonly tables: readonly RawTable[];
  readonly columns: ReadonlyMap<string, readonly ReadColumn[]>;
}

async function readCatalogue(connection: Connection, server: Server): Promise<ReadCatalogue> {
  const all = await ask(connection, COLUMNS);
  const keys = Map.groupBy(await ask(connection, KEYS), (row) => textOf(row["table"]));
  const [size] = await ask(connection, SIZE);
  const byTable = Map.groupBy(all, (row) => textOf(row["table"]));
  const tables = [...byTable].map(([name, columns]) => ({
    name,
    columns: columns.map((row) => ({
      name: textOf(row["name"]),
      isBinary: /blob|binary|^bit$|geom|point|polygon|linestring/i.test(textOf(row["type"])),
      ignoresCase: textOf(row["collation"]).endsWith("_ci"),
    })),
    key: (keys.get(name) ?? []).map((row) => textOf(row["name"])),
  }));
  const columns = [...byTable].map(
    ([name, rows]) =>
      [name, rows.map((row) => ({ name: textOf(row["name"]), isFloat: textOf(row["type"]) === "float" }))] as const,
  );
  const facts = { identity: server.identity, server: server.name, sizeBytes: Number(size?.["size"] ?? 0) };
  return { facts, tables, columns: new Map(columns) };
}

/** The server at the other end, as a connection tells it. */
export interface Server {
  readonly name: string;
  readonly product: "MySQL" | "MariaDB";
  readonly identity: string;
  readonly user: string;
  readonly cipher: string;
}

/** Asks a connection for its server. Throws MYSQL_TOO_OLD. */
export async function readServer(connection: Connection, where: string): Promise<Server> {
  const [row] = await ask(
    connection,
    "select version() as version, database() as name, current_user() as user, @@hostname as host, @@port as port",
  );
  const version = textOf(row?.["version"]);
  const product = /mariadb/i.test(version) ? "MariaDB" : "MySQL";
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const [oldestMajor, oldestMinor] = OF_PRODUCT[product].oldest;
  const name = `${product} ${version.split("-")[0]}`;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw problems.mysqlTooOld({ where, server: name });
  }
  const variables = await ask(connection, `show variables where variable_name in ('server_uuid', 'server_uid')`);
  const status = await ask(connection, "show session status like 'Ssl_cipher'");
  const id =
    variables.map((each) => textOf(each["Value"])).find((value) => value !== "") ??
    `${textOf(row?.["host"])}:${textOf(row?.["port"])}`;
  return {
    name,
    product,
    identity: `mysql:${id}/${textOf(row?.["name"])}`,
    user: textOf(row?.["user"]),
    cipher: textOf(status[0]?.["Value"]),
  };
}

class MysqlSource implements RawSource {
  readonly label: string;
  readonly address: string;
  readonly #address: MysqlAddress;

  constructor({ url, name }: MysqlOptions) {
    this.#address = parseMysqlUrl(url);
    this.address = this.#address.label;
    this.label = `${name} (${this.address})`;
  }

  async read(): Promise<RawReading> {
    const { connection, server } = await this.#connect();
    try {
      // The one statement that settles what every later one sees.
      await ask(connection, "start transaction with consistent snapshot, read only");
      return new MysqlReading(connection, this.label, await readCatalogue(connection, server));
    } catch (error) {
      connection.destroy();
      throw toProblem(error, this.label);
    }
  }

  async #connect(): Promise<{ readonly connection: Connection; readonly server: Server }> {
    const connection = await connect(this.#address, { where: this.label });
    try {
      const server = await readServer(connection, this.label);
      for (const statement of [...SESSION, OF_PRODUCT[server.product].patience]) await ask(connection, statement);
      return { connection, server };
    } catch (error) {
      connection.destroy();
      throw toProblem(error, this.label);
    }
  }

  async check(): Promise<readonly RawCheck[]> {
    const { connection, server } = await this.#connect();
    try {
      const { facts, tables } = await readCatalogue(connection, server);
      const refused = await refusedTables(connection, tables);
      return [
        { id: "version", title: "Server version", status: "ok", detail: server.name },
        {
          id: "login",
          title: "Login",
          status: "ok",
          detail: `signed in to ${this.#address.database} as ${server.user}`,
        },
        tlsCheck(server.cipher, this.#address),
        { id: "read-only", title: "Read only", status: "ok", detail: "every transaction is a read-only one" },
        rightsCheck(refused, this.#address, server.user),
        sizeCheck(facts.sizeBytes),
      ];
    } catch (error) {
      throw toProblem(error, this.label);
    } finally {
      connection.destroy();
    }
  }
}

export interface MysqlOptions {
  readonly url: Secret;
  /** `source`, for messages. */
  readonly name: string;
}

/** A MySQL or MariaDB database as a source; it is connected to when it is read, in read-only transactions alone. Throws DATABASE_URL_INVALID. */
export function openMysql(options: MysqlOptions): RawSource {
  return new MysqlSource(options);
}
