import type { Secret } from "../../domain/secret.ts";
import { databaseUrlInvalid } from "../postgres/problems.ts";

const SCHEME = /^(mysql|mariadb)(\+[a-z0-9_]+)?:\/\//;
const FORM = "write it as mysql://USER:PASSWORD@HOST:PORT/DATABASE";

/** How TLS is used: not; wanted without looking at the certificate; with it. As `ssl-mode` of MySQL's own clients. */
export type TlsMode = "disabled" | "required" | "verified";

/** What a connection needs. */
export interface MysqlAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly socketPath?: string;
  readonly tls: TlsMode;
  /** Path of a file with the authority's certificate. */
  readonly tlsAuthority?: string;
  /** `mysql://user@host:port/database`: safe to print. */
  readonly label: string;
}

/** True for a URL of a MySQL or MariaDB database, as SQLAlchemy writes it. */
export function isMysqlUrl(url: Secret): boolean {
  return SCHEME.test(url.reveal().trim());
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw databaseUrlInvalid({ reason: "a % in it is not followed by two hexadecimal digits (a % itself is %25)" });
  }
}

function tlsMode(parameters: URLSearchParams): TlsMode {
  const mode = (parameters.get("ssl-mode") ?? parameters.get("ssl_mode"))?.toUpperCase();
  if (mode === "DISABLED") return "disabled";
  if (parameters.has("ssl_ca") || mode?.startsWith("VERIFY") === true) return "verified";
  return mode === "REQUIRED" ? "required" : "disabled";
}

/**
 * Reads a database URL as Airflow writes it (`mysql+pymysql://...`). Of its parameters `unix_socket`, `ssl_ca` and `ssl-mode` count.
 *
 * Throws DATABASE_URL_INVALID without quoting the URL.
 */
export function parseMysqlUrl(url: Secret): MysqlAddress {
  const text = url.reveal().trim().replace(SCHEME, "mysql://");
  if (!URL.canParse(text)) throw databaseUrlInvalid({ reason: `it does not parse as a URL; ${FORM}` });
  const parsed = new URL(text);
  if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes("@") || parsed.hash !== "") {
    throw databaseUrlInvalid({ reason: "special characters of user and password must be percent-encoded" });
  }
  const database = decoded(parsed.pathname.slice(1));
  if (database === "" || database.includes("@")) throw databaseUrlInvalid({ reason: `it names no database; ${FORM}` });
  const [user, host] = [decoded(parsed.username), parsed.hostname.replace(/^\[|\]$/g, "")];
  const port = parsed.port === "" ? 3306 : Number(parsed.port);
  const socketPath = parsed.searchParams.get("unix_socket");
  const tlsAuthority = parsed.searchParams.get("ssl_ca");
  return {
    host: host === "" ? "localhost" : host,
    port,
    user,
    password: decoded(parsed.password),
    database,
    ...(socketPath === null ? {} : { socketPath }),
    tls: tlsMode(parsed.searchParams),
    ...(tlsAuthority === null ? {} : { tlsAuthority }),
    label: `mysql://${user === "" ? "" : `${user}@`}${socketPath ?? `${parsed.hostname}:${port}`}/${database}`,
  };
}
