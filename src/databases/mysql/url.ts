import type { Secret } from "../../domain/secret.ts";
import { databaseUrlInvalid } from "../postgres/problems.ts";

const SCHEME = /^(mysql|mariadb)(\+[a-z0-9_]+)?:\/\//;
const FORM = "write it as mysql://USER:PASSWORD@HOST:PORT/DATABASE";

/**
 * How TLS is used, in the names of MySQL's own clients; `on-demand`: where the server takes no other connection, and then as `verify-identity`.
 * `required` does not look at the certificate, `verify-ca` not at its names.
 */
export type TlsMode = "disabled" | "on-demand" | "required" | "verify-ca" | "verify-identity";

/** What a connection needs. */
export interface MysqlAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly socketPath?: string;
  readonly tls: TlsMode;
  /** Paths of PEM files: the authority's certificate, and the user's own certificate and its key. */
  readonly tlsFiles: { readonly ca?: string; readonly cert?: string; readonly key?: string };
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

/** By the value of `ssl-mode`. Source: MySQL manual, "Command Options for Encrypted Connections". */
const MODES: Readonly<Record<string, TlsMode>> = {
  DISABLED: "disabled",
  PREFERRED: "on-demand",
  REQUIRED: "required",
  VERIFY_CA: "verify-ca",
  VERIFY_IDENTITY: "verify-identity",
};

/** Parameters by which SQLAlchemy's drivers are told of TLS, with `-` for `_`. */
const TLS_PARAMETERS: ReadonlySet<string> = new Set([
  "ssl-mode",
  "ssl-ca",
  "ssl-cert",
  "ssl-key",
  "ssl-check-hostname",
]);

function tlsParameters(all: URLSearchParams): ReadonlyMap<string, string> {
  const named = [...all].map(([name, value]) => [name.replaceAll("_", "-"), value] as const);
  const tls = named.filter(([name]) => name === "tls" || name.startsWith("ssl"));
  const unknown = tls.find(([name]) => !TLS_PARAMETERS.has(name));
  if (unknown !== undefined) {
    throw databaseUrlInvalid({ reason: `${unknown[0]} is not among ${[...TLS_PARAMETERS].join(", ")}` });
  }
  return new Map(tls);
}

function tlsMode(given: ReadonlyMap<string, string>): TlsMode {
  const named = given.get("ssl-mode");
  const mode = named === undefined ? undefined : MODES[named.toUpperCase()];
  if (named !== undefined && mode === undefined) {
    throw databaseUrlInvalid({ reason: `ssl-mode is one of ${Object.keys(MODES).join(", ")}` });
  }
  if (mode !== undefined) return mode;
  if (/^(false|0)$/i.test(given.get("ssl-check-hostname") ?? "")) return "verify-ca";
  return given.size > 0 ? "verify-identity" : "on-demand";
}

function tlsFiles(given: ReadonlyMap<string, string>): MysqlAddress["tlsFiles"] {
  return Object.fromEntries(
    (["ca", "cert", "key"] as const).flatMap((name) => {
      const path = given.get(`ssl-${name}`);
      return path === undefined ? [] : [[name, path]];
    }),
  );
}

/**
 * Reads a database URL as Airflow writes it (`mysql+pymysql://...`). Of its parameters `unix_socket` and those of TLS count: `ssl-mode`, `ssl-ca`,
 * `ssl-cert`, `ssl-key`, `ssl-check-hostname`, with `_` for `-` too. Where a file is named and no mode, the certificate is verified whole.
 *
 * Throws DATABASE_URL_INVALID without quoting the URL; also for a parameter of TLS that is not known, which must not be passed over.
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
  const tls = tlsParameters(parsed.searchParams);
  return {
    host: host === "" ? "localhost" : host,
    port,
    user,
    password: decoded(parsed.password),
    database,
    ...(socketPath === null ? {} : { socketPath }),
    tls: tlsMode(tls),
    tlsFiles: tlsFiles(tls),
    label: `mysql://${user === "" ? "" : `${user}@`}${socketPath ?? `${parsed.hostname}:${port}`}/${database}`,
  };
}
