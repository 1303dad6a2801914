import type { Secret } from "../../domain/secret.ts";
import { databaseUrlInvalid } from "./problems.ts";

/** What a connection needs. `password` stays inside the URL given to the driver. */
export interface PostgresAddress {
  readonly connectionString: string;
  /** `user@host:port/database`: safe to print. */
  readonly label: string;
}

const SCHEME = /^(postgres|postgresql)(\+[a-z0-9_]+)?:\/\//;

/**
 * Reads a database URL as Airflow writes it (SQLAlchemy form, with or without a driver suffix).
 *
 * Throws DATABASE_URL_INVALID, without quoting the URL, for anything that is not a Postgres URL with a database name.
 */
export function parsePostgresUrl(url: Secret): PostgresAddress {
  const text = url.reveal().trim();
  if (!SCHEME.test(text)) {
    const scheme = /^[a-z0-9+]+(?=:)/i.exec(text)?.[0] ?? "no scheme";
    throw databaseUrlInvalid({ reason: `only postgresql:// is supported here, not ${scheme}` });
  }
  const connectionString = text.replace(SCHEME, "postgresql://");
  if (!URL.canParse(connectionString)) throw databaseUrlInvalid({ reason: "it does not parse as a URL" });
  const parsed = new URL(connectionString);
  // What follows the host would be shown; with an @ in it, it is the rest of a password.
  if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes("@") || parsed.hash !== "") {
    throw databaseUrlInvalid({ reason: "special characters of user and password must be percent-encoded" });
  }
  if (!isDecodable(parsed)) {
    throw databaseUrlInvalid({ reason: "a % in it is not followed by two hexadecimal digits (a % itself is %25)" });
  }
  const database = decodeURIComponent(parsed.pathname.slice(1));
  // A slash in a password that is not percent-encoded ends the host early: what follows would be shown as the database's name.
  if (database.includes("@"))
    throw databaseUrlInvalid({ reason: "a /, ? or # in its password must be percent-encoded" });
  if (database === "") throw databaseUrlInvalid({ reason: "it names no database" });
  const host = parsed.searchParams.get("host") ?? (parsed.hostname === "" ? "localhost" : parsed.hostname);
  const user = parsed.username === "" ? "" : `${decodeURIComponent(parsed.username)}@`;
  return { connectionString, label: `${user}${host}:${parsed.port === "" ? "5432" : parsed.port}/${database}` };
}

function isDecodable({ username, password, pathname }: URL): boolean {
  return [username, password, pathname].every((part) => !/%(?![0-9a-f]{2})/i.test(part) && decodes(part));
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
