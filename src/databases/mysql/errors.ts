import { isProblem } from "../../domain/problem.ts";
import * as problems from "../postgres/problems.ts";
import { tlsRefused } from "./problems.ts";

interface DriverError {
  readonly code?: string;
  readonly errno?: number;
  readonly message?: string;
}

type Maker = (facts: { where: string; reason: string }, options: { cause: unknown }) => Error;

const forbidden: Maker = ({ where, reason }, options) =>
  problems.roleLacksRights(
    {
      where,
      reason,
      grant: "GRANT what the server names ON the database's tables TO the user, as somebody who may grant it",
    },
    options,
  );

/** By the driver's name of the error (MySQL's server errors, mysql2's own, Node's). */
const MAKERS: Readonly<Record<string, Maker>> = {
  ER_ACCESS_DENIED_ERROR: problems.databaseRefused,
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: problems.databaseRefused,
  ER_HOST_NOT_PRIVILEGED: problems.databaseRefused,
  ER_HOST_IS_BLOCKED: problems.databaseRefused,
  ER_NOT_SUPPORTED_AUTH_MODE: problems.databaseRefused,
  ER_MUST_CHANGE_PASSWORD: problems.databaseRefused,
  ER_ACCOUNT_HAS_BEEN_LOCKED: problems.databaseRefused,
  ER_DBACCESS_DENIED_ERROR: problems.databaseRefused,
  ER_BAD_DB_ERROR: problems.databaseUnreachable,
  ER_CON_COUNT_ERROR: problems.databaseUnreachable,
  ER_TOO_MANY_USER_CONNECTIONS: problems.databaseUnreachable,
  HANDSHAKE_NO_SSL_SUPPORT: tlsRefused,
  HANDSHAKE_SSL_ERROR: tlsRefused,
  ER_SECURE_TRANSPORT_REQUIRED: tlsRefused,
  ER_TABLEACCESS_DENIED_ERROR: forbidden,
  ER_COLUMNACCESS_DENIED_ERROR: forbidden,
  ER_SPECIFIC_ACCESS_DENIED_ERROR: forbidden,
  ER_QUERY_INTERRUPTED: problems.statementCancelled,
  ER_QUERY_TIMEOUT: problems.statementCancelled,
  ER_STATEMENT_TIMEOUT: problems.statementCancelled,
  ER_LOCK_WAIT_TIMEOUT: problems.lockTimeout,
  ECONNREFUSED: problems.databaseUnreachable,
  ENOTFOUND: problems.databaseUnreachable,
  EAI_AGAIN: problems.databaseUnreachable,
  EHOSTUNREACH: problems.databaseUnreachable,
  ENETUNREACH: problems.databaseUnreachable,
  ETIMEDOUT: problems.databaseUnreachable,
  ENOENT: problems.databaseUnreachable,
  PROTOCOL_CONNECTION_LOST: problems.connectionLost,
  ECONNRESET: problems.connectionLost,
  EPIPE: problems.connectionLost,
  ER_SERVER_SHUTDOWN: problems.connectionLost,
  ER_CONNECTION_KILLED: problems.connectionLost,
  ER_NET_READ_INTERRUPTED: problems.connectionLost,
};

/** The problem that a driver's error is; anything else as it came. The first line of its message only. */
export function toProblem(error: unknown, where: string): unknown {
  if (isProblem(error)) return error;
  const { code = "", message = "" } = error as DriverError;
  const reason = (message.split("\n")[0] || code).slice(0, 300);
  const closed = /closed state|Connection lost/.test(message) ? problems.connectionLost : undefined;
  const make = MAKERS[code] ?? (code.startsWith("ERR_OSSL") ? tlsRefused : closed);
  return make === undefined ? error : make({ where, reason }, { cause: error });
}
