import { isProblem } from "../../domain/problem.ts";
import * as problems from "./problems.ts";

/** The parts of a driver's error that are looked at. Source: node-postgres `DatabaseError`, Node's system errors. */
interface DriverError {
  readonly code?: string;
  readonly message?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly detail?: string;
}

type Maker = (where: string, error: DriverError, statement?: string) => Error;

const lost: Maker = (where, error) => problems.connectionLost({ where, reason: reasonOf(error) });
const unreachable: Maker = (where, error) => problems.databaseUnreachable({ where, reason: reasonOf(error) });
const refused: Maker = (where, error) => problems.databaseRefused({ where, reason: reasonOf(error) });
const full: Maker = (where, error) => problems.diskFull({ where, reason: reasonOf(error) });
const locked: Maker = (where, error) => problems.lockTimeout({ where, reason: reasonOf(error) });
const cancelled: Maker = (where, error) => problems.statementCancelled({ where, reason: reasonOf(error) });
const readEnded: Maker = (where, error) => problems.readCancelled({ where, reason: reasonOf(error) });
const readOnly: Maker = (where, error) => problems.databaseReadOnly({ where, reason: reasonOf(error) });
const forbidden: Maker = (where, error, statement) =>
  problems.roleLacksRights({ where, reason: reasonOf(error), grant: grantFor(where, error, statement) });

const crowded: Maker = (where, error) => problems.connectionsUsedUp({ where, reason: reasonOf(error) });
const pooled: Maker = (where) => problems.behindPooler({ where });
const tooOld: Maker = (where) => problems.databaseTooOld({ where });

/** By SQLSTATE (PostgreSQL manual, appendix A), by its class, or by Node's error code. */
const makers: Readonly<Record<string, Maker>> = {
  "08": lost,
  "57P01": lost,
  "57P02": lost,
  "57P03": unreachable,
  "57P04": lost,
  "57P05": lost,
  "25P03": lost,
  ECONNRESET: lost,
  EPIPE: lost,
  ETIMEDOUT: unreachable,
  ECONNREFUSED: unreachable,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  CERT_HAS_EXPIRED: unreachable,
  DEPTH_ZERO_SELF_SIGNED_CERT: unreachable,
  ERR_TLS_CERT_ALTNAME_INVALID: unreachable,
  SELF_SIGNED_CERT_IN_CHAIN: unreachable,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unreachable,
  "3D000": unreachable,
  "28": refused,
  "53100": full,
  "53200": full,
  "53300": crowded,
  "55P03": locked,
  "42501": forbidden,
  "25006": readOnly,
  "57014": cancelled,
  "40": cancelled,
};

/** Messages of node-postgres that carry no code. */
const LOST_WITHOUT_CODE =
  /Connection terminated|Connection ended|Client has encountered a connection error|not queryable/;
const UNREACHABLE_WITHOUT_CODE =
  /timeout expired|connection timeout|Query read timeout|timeout exceeded when trying to connect|server does not support SSL connections/;
/** A server that wants a password and a URL without one. */
const REFUSED_WITHOUT_CODE = /^SASL: |password must be a string/;

/** PgBouncer, which takes none of the settings that a session begins with. Source: its `src/client.c`; SQLSTATE 08P01. */
const POOLED = /unsupported startup parameter|transaction blocks not allowed in statement pooling mode/;

/** A standby that ends a query, or a session that is idle in its transaction. Source: PostgreSQL, `ProcessRecoveryConflictInterrupt`. */
const IN_THE_WAY = /due to conflict with recovery/;

/** A setting that every session begins with, and that servers before 11 do not know. */
const TOO_OLD = /unrecognized configuration parameter "jit"/;

/** The first line, without what a server may quote from a row. */
function reasonOf(error: DriverError): string {
  return (error.message || error.code || "no reason given").split("\n")[0] as string;
}

/** The role of a label such as `source (role@host:port/database)`, as SQL wants it. */
function roleOf(where: string): string {
  const role = /\(([^@()]+)@/.exec(where)?.[1] ?? "ROLE";
  return /^[a-z_][a-z0-9_]*$/.test(role) || role === "ROLE" ? role : `"${role.replaceAll('"', '""')}"`;
}

const WRITES: Readonly<Record<string, RegExp>> = {
  INSERT: /\binsert\s+into\b|^\s*copy\b.*\bfrom\s+stdin\b/i,
  UPDATE: /\bupdate\b/i,
  DELETE: /\bdelete\s+from\b/i,
};

/** What is usually done with a side's tables, and what the refused statement does. */
function rightsOnTable(isSource: boolean, statement = ""): string {
  const usual = isSource ? ["SELECT"] : ["SELECT", "INSERT", "UPDATE"];
  const asked = Object.keys(WRITES).filter((right) => WRITES[right]?.test(statement));
  return [...new Set([...usual, ...asked])].join(", ");
}

/** The statement that gives what a "permission denied" asks for; the server names the object, and not the right. */
function grantFor(where: string, error: DriverError, statement: string | undefined): string {
  const message = error.message ?? "";
  const isSource = where.startsWith("source");
  const named = /^permission denied for (table|sequence|schema|database) "?([^"\s]+)"?/.exec(message);
  const [, kind = "", name = ""] = named ?? [];
  const role = roleOf(where);
  if (/temporary tables/.test(message)) {
    const database = /database "([^"]+)"/.exec(message)?.[1] ?? "DATABASE";
    return `GRANT TEMPORARY ON DATABASE ${database} TO ${role};`;
  }
  if (message.startsWith("must be owner")) return `GRANT OWNER_OF_THE_TABLES TO ${role};`;
  switch (kind) {
    case "table":
      return `GRANT ${rightsOnTable(isSource, statement)} ON TABLE ${name} TO ${role};`;
    case "sequence":
      return `GRANT USAGE, SELECT, UPDATE ON SEQUENCE ${name} TO ${role};`;
    case "schema":
      return `GRANT ${isSource || name === "public" ? "USAGE" : "USAGE, CREATE"} ON SCHEMA ${name} TO ${role};`;
    case "database": {
      const isConnect = /CONNECT/.test(error.detail ?? "");
      return `GRANT ${isConnect ? "CONNECT" : "CREATE, TEMPORARY"} ON DATABASE ${name} TO ${role};`;
    }
    default:
      return `give ${role} the right that the sentence names`;
  }
}

/** Turns a driver's error into the problem it is, or gives it back unchanged. `statement`: what was asked; it is looked at and not shown. */
export function toProblem(error: unknown, where: string, statement?: string): unknown {
  if (isProblem(error) || typeof error !== "object" || error === null) return error;
  const driver = error as DriverError;
  const code = driver.code ?? "";
  const message = driver.message ?? "";
  const make =
    (POOLED.test(message) ? pooled : undefined) ??
    (IN_THE_WAY.test(message) ? readEnded : undefined) ??
    makers[code] ??
    (code.length === 5 ? makers[code.slice(0, 2)] : undefined) ??
    (UNREACHABLE_WITHOUT_CODE.test(message) ? unreachable : undefined) ??
    (LOST_WITHOUT_CODE.test(message) ? lost : undefined) ??
    (REFUSED_WITHOUT_CODE.test(message) ? refused : undefined) ??
    (TOO_OLD.test(message) ? tooOld : undefined);
  if (make === undefined) return error;
  return Object.assign(make(where, driver, statement), { cause: error });
}

/** Whether an error says that a connection pooler is in the way. */
export function isPoolerProblem(error: unknown): boolean {
  return isProblem(error) && error.report.code === "DATABASE_BEHIND_POOLER";
}

/** The SQLSTATE of an error from the server, also of one that became a problem; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  const own = (error as DriverError | undefined)?.code;
  if (own !== undefined && /^[0-9A-Z]{5}$/.test(own)) return own;
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  return cause === undefined ? undefined : sqlState(cause);
}
