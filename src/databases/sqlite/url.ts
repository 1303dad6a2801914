import { resolve } from "node:path";
import type { Secret } from "../../domain/secret.ts";
import { databaseUrlInvalid } from "../postgres/problems.ts";

const SCHEME = /^sqlite(\+[a-z0-9_]+)?:\/\//;

/** True for a URL that names a SQLite file, as SQLAlchemy writes it. */
export function isSqliteUrl(url: Secret): boolean {
  return SCHEME.test(url.reveal().trim());
}

/**
 * The absolute path of the file that `sqlite:///relative` or `sqlite:////absolute` names, relative to `folder`.
 *
 * Throws DATABASE_URL_INVALID where it names no file.
 */
export function sqlitePath(url: Secret, folder: string): string {
  const rest = url.reveal().trim().replace(SCHEME, "").split("?")[0] ?? "";
  const isFile = rest.startsWith("/") && rest.length > 1 && rest !== "/:memory:";
  if (!isFile || rest.includes("\0")) {
    throw databaseUrlInvalid({ reason: "a SQLite URL is sqlite:///RELATIVE/PATH or sqlite:////ABSOLUTE/PATH" });
  }
  return resolve(folder, rest.slice(1));
}
