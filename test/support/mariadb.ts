import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import { plainRows, recordedText } from "./raw-rows.ts";

const run = promisify(execFile);
const LOCAL_PORT = 3306;
const PROGRAM = "mariadbd";
/** Rows of one INSERT: within any server's max_allowed_packet. */
const INSERT_ROWS = 500;

/** A server, MariaDB's or MySQL's, that a test may make databases and users on; one of our own is stopped at the end. */
export interface MariadbServer extends AsyncDisposable {
  readonly port: number;
  readonly product: "MariaDB" | "MySQL";
}

/** A database of a test's own, with a user for it; both go at the end of the scope. */
export interface TestMariadb extends AsyncDisposable {
  readonly name: string;
  /** `mysql+pymysql://...`, as Airflow has it. */
  readonly url: string;
  readonly password: string;
  /** As root, in the database. */
  query(sql: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

async function connectTo(port: number, database?: string) {
  const connection = await createConnection({
    host: "127.0.0.1",
    port,
    user: "root",
    multipleStatements: true,
    timezone: "Z",
    charset: "UTF8MB4_BIN",
    ...(database === undefined ? {} : { database }),
  });
  await connection.query("set time_zone = '+00:00'");
  return connection;
}

export async function answers(port: number): Promise<boolean> {
  return await connectTo(port).then(
    async (connection) => {
      await connection.end();
      return true;
    },
    () => false,
  );
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** The server of this machine where root may use it without a password; else one of our own, from Debian's package. */
export async function mariadbServer(): Promise<MariadbServer> {
  if (await answers(LOCAL_PORT)) return { port: LOCAL_PORT, product: "MariaDB", [Symbol.asyncDispose]: async () => {} };
  const { uid } = userInfo();
  const isThere = await run(PROGRAM, ["--version"]).then(
    () => true,
    () => false,
  );
  if (!isThere && uid === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "mariadb-server"], { env, maxBuffer: 64 * 1024 * 1024 });
  }
  return await startServer(uid);
}

async function startServer(uid: number): Promise<MariadbServer> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-mariadb-"));
  const data = join(folder, "data");
  const asUser = uid === 0 ? ["--user=root"] : [];
  await run("mariadb-install-db", [`--datadir=${data}`, "--auth-root-authentication-method=normal", ...asUser]);
  const port = await freePort();
  const child = spawn(
    PROGRAM,
    [
      "--no-defaults",
      `--datadir=${data}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      `--socket=${join(folder, "s")}`,
      ...asUser,
    ],
    { stdio: "ignore" },
  );
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.kill()) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let waited = 0; !(await answers(port)); waited += 1) {
    if (waited > 300 || child.exitCode !== null) {
      await stop();
      throw new Error("mariadbd did not start: install the Debian package mariadb-server");
    }
    await sleep(100);
  }
  return { port, product: "MariaDB", [Symbol.asyncDispose]: stop };
}

/** Makes an empty database with a user that may read it; root may do everything there without a password. */
export async function anEmptyMariadb(
  server: MariadbServer,
): Promise<TestMariadb & { readonly connection: Connection }> {
  const [name, password] = [`test_${randomBytes(6).toString("hex")}`, randomBytes(9).toString("hex")];
  const connection = await connectTo(server.port);
  await connection.query(
    `create database ${name} character set utf8mb4 collate utf8mb4_unicode_ci; use ${name};
     create user '${name}'@'%' identified by '${password}'; grant select on ${name}.* to '${name}'@'%'`,
  );
  return {
    name,
    password,
    connection,
    url: `mysql+pymysql://${name}:${password}@127.0.0.1:${server.port}/${name}`,
    query: async (sql, values = []) => {
      const [rows] = await connection.query(sql, [...values]);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
    [Symbol.asyncDispose]: async () => {
      await connection.query(`rollback; drop database ${name}; drop user '${name}'@'%'`);
      await connection.end();
    },
  };
}

/** Makes the schema that a genuine Airflow made on that product, and fills it with what a Postgres of that release holds. */
export async function aMariadb(
  server: MariadbServer,
  from?: string,
  release: "2.10.5" | "3.3.2" = "2.10.5",
): Promise<TestMariadb> {
  await using resources = new AsyncDisposableStack();
  const database = resources.use(await anEmptyMariadb(server));
  await database.query(await recordedText(`airflow-${release}-empty.${server.product.toLowerCase()}.sql.gz`));
  if (from !== undefined) await fill(database.connection, from);
  const kept = resources.move();
  return { ...database, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Replaces the rows of the database by those of a Postgres, in one transaction. */
export async function fill(admin: Connection, from: string): Promise<void> {
  await admin.query(
    "set foreign_key_checks = 0, unique_checks = 0, sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'",
  );
  await admin.query("begin");
  const [bare] = await admin.query<RowDataPacket[]>(
    `select concat(table_name, '.', column_name) as name from information_schema.columns
     where table_schema = database() and data_type = 'char' and character_maximum_length = 32`,
  );
  const isBare = new Set(bare.map((row) => String(row["name"])));
  for await (const { table, columns, rows, isFirst } of plainRows(from)) {
    if (isFirst) await admin.query(`delete from \`${table}\``);
    const names = columns.map((column) => `\`${column}\``).join(", ");
    for (let at = 0; at < rows.length; at += INSERT_ROWS) {
      const some = rows
        .slice(at, at + INSERT_ROWS)
        .map((row) =>
          row.map((value, index) =>
            typeof value === "string" && isBare.has(`${table}.${columns[index] ?? ""}`)
              ? value.replaceAll("-", "")
              : value,
          ),
        );
      await admin.query(`insert into \`${table}\` (${names}) values ?`, [some]);
    }
  }
  await admin.query("commit");
}
