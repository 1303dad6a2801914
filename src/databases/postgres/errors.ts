import { isProblem } from "../../domain/problem.ts";
import * as problems from "./problems.ts";

/** The parts of a driver's error that are looked at. Source: node-postgres `DatabaseError`, Node's system errors. */
interface DriverError {
  readonly code?: string;
  readonly message?: string;
  readonly schema?: string;
  readonly table?: string;
}

type Maker = (where: string, error: DriverError) => Error;

const lost: Maker = (where, error) => problems.connectionLost({ where, reason: reasonOf(error) });
const unreachable: Maker = (where, error) => problems.databaseUnreachable({ where, reason: reasonOf(error) });
const refused: Maker = (where, error) => problems.databaseRefused({ where, reason: reasonOf(error) });
const full: Maker = (where, error) => problems.diskFull({ where, reason: reasonOf(error) });
const locked: Maker = (where, error) => problems.lockTimeout({ where, reason: reasonOf(error) });
const forbidden: Maker = (where, error) =>
  problems.roleLacksRights({
    where,
    reason: reasonOf(error),
    grant: "grant the right that the sentence names to the role",
  });

/** By SQLSTATE (PostgreSQL manual, appendix A), by its class, or by Node's error code. */
const makers: Readonly<Record<string, Maker>> = {
  "08": lost,
  "57P01": lost,
  "57P02": lost,
  "57P03": unreachable,
  ECONNRESET: lost,
  EPIPE: lost,
  ETIMEDOUT: unreachable,
  ECONNREFUSED: unreachable,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  EHOSTUNREACH: unreachable,
  "3D000": unreachable,
  "28": refused,
  "53100": full,
  "53200": full,
  "55P03": locked,
  "42501": forbidden,
};

/** Messages of node-postgres that carry no code. */
const LOST_WITHOUT_CODE =
  /Connection terminated|Connection ended|Client has encountered a connection error|not queryable/;
const UNREACHABLE_WITHOUT_CODE = /timeout expired|timeout exceeded when trying to connect/;

/** The first line, without what a server may quote from a row. */
function reasonOf(error: DriverError): string {
  return (error.message ?? error.code ?? "no reason given").split("\n")[0] as string;
}

/** Turns a driver's error into the problem it is, or gives it back unchanged. */
export function toProblem(error: unknown, where: string): unknown {
  if (isProblem(error) || typeof error !== "object" || error === null) return error;
  const driver = error as DriverError;
  const code = driver.code ?? "";
  const make =
    makers[code] ??
    (code.length === 5 ? makers[code.slice(0, 2)] : undefined) ??
    (LOST_WITHOUT_CODE.test(driver.message ?? "") ? lost : undefined) ??
    (UNREACHABLE_WITHOUT_CODE.test(driver.message ?? "") ? unreachable : undefined);
  if (make === undefined) return error;
  return Object.assign(make(where, driver), { cause: error });
}

/** The SQLSTATE of an error from the server, also of one that became a problem; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  const own = (error as DriverError | undefined)?.code;
  if (own !== undefined && /^[0-9A-Z]{5}$/.test(own)) return own;
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  return cause === undefined ? undefined : sqlState(cause);
}
