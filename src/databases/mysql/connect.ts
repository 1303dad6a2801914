import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Connection, ConnectionOptions } from "mysql2";
import { toProblem } from "./errors.ts";
import { tlsNeedsName } from "./problems.ts";
import type { MysqlAddress, TlsMode } from "./url.ts";

/** How long to wait for a connection, in milliseconds. */
const CONNECT_MS = 10_000;

/** The server takes encrypted connections alone. Source: MySQL manual, "Server Error Message Reference". */
const WANTS_TLS = "ER_SECURE_TRANSPORT_REQUIRED";

export interface ConnectOptions {
  /** Which side it is, for messages. */
  readonly where: string;
  /** Statements may bring a stream to be loaded as a file; never one that the server names. Default: false. */
  readonly sendsFiles?: boolean;
}

async function tlsOptions({ tlsFiles }: MysqlAddress, mode: TlsMode): Promise<NonNullable<ConnectionOptions["ssl"]>> {
  const files = await Promise.all(
    Object.entries(tlsFiles).map(async ([name, path]) => [name, await readFile(path, "utf8")] as const),
  );
  return {
    ...Object.fromEntries(files),
    minVersion: "TLSv1.2",
    rejectUnauthorized: mode !== "required",
    verifyIdentity: mode === "verify-identity",
  };
}

async function driverOptions(address: MysqlAddress, mode: TlsMode, sendsFiles: boolean): Promise<ConnectionOptions> {
  const { host, port, user, password, database, socketPath } = address;
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    password,
    database,
    charset: "UTF8MB4_BIN",
    connectTimeout: CONNECT_MS,
    supportBigNumbers: true,
    bigNumberStrings: true,
    // Only ever one statement at a time.
    multipleStatements: false,
    flags: [sendsFiles ? "+LOCAL_FILES" : "-LOCAL_FILES"],
    ...(mode === "disabled" || mode === "on-demand" ? {} : { ssl: await tlsOptions(address, mode) }),
  };
}

/** The driver looks for the name of an address (`10.0.0.1`) under another name: better not at all than wrongly. */
function assertHasName({ host }: MysqlAddress, mode: TlsMode, where: string): void {
  if (mode === "verify-identity" && isIP(host) !== 0) throw tlsNeedsName({ where, host });
}

async function open(address: MysqlAddress, mode: TlsMode, options: ConnectOptions): Promise<Connection> {
  if (address.socketPath === undefined) assertHasName(address, mode, options.where);
  // Loaded when it is needed: only these databases need it.
  const { createConnection } = await import("mysql2");
  const connection = createConnection(await driverOptions(address, mode, options.sendsFiles === true));
  // Without a listener a connection that is lost between two statements would end the process; the next statement tells.
  connection.on("error", () => {});
  try {
    await new Promise<void>((resolve, reject) =>
      connection.connect((error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      }),
    );
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** Connects to an address. Throws the problems of the connection. */
export async function connect(address: MysqlAddress, options: ConnectOptions): Promise<Connection> {
  try {
    return await open(address, address.tls, options).catch((error: unknown) => {
      if (address.tls !== "on-demand" || (error as { code?: unknown }).code !== WANTS_TLS) throw error;
      return open(address, "verify-identity", options);
    });
  } catch (error) {
    throw toProblem(error, options.where);
  }
}
