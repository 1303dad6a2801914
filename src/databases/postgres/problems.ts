import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "nothing was written by this statement; what was committed before stays.";

/** Failures of a Postgres server that the user can act on. `where` names side and place, never a password. */
export const databaseUnreachable = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_UNREACHABLE",
  what: ({ where, reason }) => `no connection to the database at ${where}: ${reason}.`,
  safe: () => "nothing was written by this attempt; what was committed before stays.",
  next: () => [
    "check host, port and database name in crosswind.yaml, and that the server runs and accepts connections from here",
    "crosswind doctor",
  ],
  retry: "after-fix",
});

export const connectionsUsedUp = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_CONNECTIONS_USED_UP",
  what: ({ where, reason }) => `the server at ${where} takes no more connections: ${reason}.`,
  safe: () => "nothing was written by this attempt; what was committed before stays.",
  next: () => [
    "lower `lanes` in crosswind.yaml: each side is given at most that many connections and three more",
    "or raise max_connections of the server, or the role's or the database's CONNECTION LIMIT",
    "then run the same command: it goes on where it stopped",
  ],
  retry: "after-fix",
});

export const behindPooler = defineProblem<{ where: string }>({
  code: "DATABASE_BEHIND_POOLER",
  what: ({ where }) =>
    `there is a connection pooler (PgBouncer, for one) in front of the server at ${where}: it drops the settings that a session begins with, read-only among them, and may give its statements to several sessions of the server.`,
  safe: () => "nothing was read or written: the session was ended before its first statement.",
  next: () => [
    "name the server itself in crosswind.yaml, with its own host and port (5432, where the pooler has 6432)",
    "crosswind doctor",
  ],
  retry: "after-fix",
});

export const databaseRefused = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_REFUSED",
  what: ({ where, reason }) => `the server at ${where} refused the login: ${reason}.`,
  safe: () => "nothing was written on either side.",
  next: () => [
    "check user and password (a reference such as ${env:SOURCE_DATABASE_URL} or file:...)",
    "crosswind doctor",
  ],
  retry: "after-fix",
});

export const databaseTooOld = defineProblem<{ where: string }>({
  code: "DATABASE_TOO_OLD",
  what: ({ where }) =>
    `the server at ${where} is older than PostgreSQL 11: a source needs at least 12, a target at least 13.`,
  safe: () => "nothing was written on either side.",
  next: () => [
    "upgrade the server, or restore a dump of the database on a newer one",
    "name the new server in crosswind.yaml, then run crosswind doctor",
  ],
  retry: "after-fix",
});

export const databaseUrlInvalid = defineProblem<{ reason: string }>({
  code: "DATABASE_URL_INVALID",
  what: ({ reason }) => `a database URL can not be used: ${reason}.`,
  safe: () => "nothing was read or written.",
  next: () => ["write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; SQLAlchemy's driver suffixes are accepted"],
  retry: "after-fix",
});

export const connectionLost = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_CONNECTION_LOST",
  what: ({ where, reason }) => `the connection to ${where} was lost: ${reason}.`,
  safe: () => `the open transaction was rolled back by the server; ${NOTHING}`,
  next: () => ["when the server answers again, run the same command: it goes on where it stopped"],
  retry: "automatic",
});

export const roleLacksRights = defineProblem<{ where: string; reason: string; grant: string }>({
  code: "ROLE_LACKS_RIGHTS",
  what: ({ where, reason }) => `the role may not do what is needed at ${where}: ${reason}.`,
  safe: () => NOTHING,
  next: ({ grant }) => [grant, "crosswind doctor names every missing right at once"],
  retry: "after-fix",
});

export const diskFull = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_DISK_FULL",
  what: ({ where, reason }) => `the server at ${where} has no room left: ${reason}.`,
  safe: () => `the open transaction was rolled back; ${NOTHING}`,
  next: () => ["make room on the server's disk, then run the same command: it goes on where it stopped"],
  retry: "after-fix",
});

export const lockTimeout = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_LOCKED",
  what: ({ where, reason }) => `somebody else holds a lock at ${where}: ${reason}.`,
  safe: () => NOTHING,
  next: () => ["stop the Airflow components or sessions that use the target's tables, then run the same command"],
  retry: "automatic",
});

export const databaseReadOnly = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_READ_ONLY",
  what: ({ where, reason }) => `the database at ${where} takes no writes: ${reason}.`,
  safe: () => NOTHING,
  next: () => [
    "name the primary server, not a standby, and a role without default_transaction_read_only",
    "crosswind doctor",
  ],
  retry: "after-fix",
});

export const readCancelled = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_READ_CANCELLED",
  what: ({ where, reason }) => `the standby at ${where} ended a read that was in the way of its primary: ${reason}.`,
  safe: () => `the open transaction was rolled back; ${NOTHING}`,
  next: () => [
    "raise max_standby_streaming_delay of the standby, switch hot_standby_feedback on, or read from the primary",
    "run the same command: it goes on where it stopped",
  ],
  retry: "automatic",
});

export const statementCancelled = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_STATEMENT_CANCELLED",
  what: ({ where, reason }) => `the server at ${where} ended a statement before it was done: ${reason}.`,
  safe: () => `the open transaction was rolled back; ${NOTHING}`,
  next: () => ["run the same command: it goes on where it stopped"],
  retry: "automatic",
});
