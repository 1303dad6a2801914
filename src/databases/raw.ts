import { compareReleases, type Release } from "../domain/release.ts";
import type { Secret } from "../domain/secret.ts";
import type { RawSource } from "../ports/raw-source.ts";
import type { RawTarget } from "../ports/raw-target.ts";
import { openMysql } from "./mysql/mysql.ts";
import { openMysqlTarget } from "./mysql/target.ts";
import { isMysqlUrl } from "./mysql/url.ts";
import { targetSqlite } from "./problems.ts";
import { openSqlite } from "./sqlite/sqlite.ts";
import { openSqliteTarget } from "./sqlite/target.ts";
import { isSqliteUrl, sqlitePath } from "./sqlite/url.ts";

export interface RawOptions {
  readonly url: Secret;
  /** `source`, for messages. */
  readonly name: string;
  /** What relative paths are relative to. Absolute. */
  readonly folder: string;
}

/** A source that has to be landed; undefined for a Postgres, and for what is no known URL at all. Throws DATABASE_URL_INVALID. */
export function openRawSource({ url, name, folder }: RawOptions): RawSource | undefined {
  if (isSqliteUrl(url)) return openSqlite({ path: sqlitePath(url, folder), name });
  if (isMysqlUrl(url)) return openMysql({ url, name });
  return undefined;
}

/** A target that is no Postgres and takes rows; undefined for a Postgres, and for what is no known URL at all. Throws DATABASE_URL_INVALID. */
export function openRawTarget({ url, folder }: Omit<RawOptions, "name">): RawTarget | undefined {
  if (isSqliteUrl(url)) return openSqliteTarget({ path: sqlitePath(url, folder), name: "target" });
  return isMysqlUrl(url) ? openMysqlTarget({ url, name: "target" }) : undefined;
}

/** Refuses a SQLite target, unless somebody insists and it is one of Airflow 3. Throws TARGET_IS_SQLITE. */
export function assertFitTarget(
  url: Secret,
  { isForced, release }: { readonly isForced: boolean; readonly release?: Release },
): void {
  const isFit = isForced && (release === undefined || compareReleases(release, "3.0") >= 0);
  if (isSqliteUrl(url) && !isFit) throw targetSqlite({});
}

/** True where the database is no Postgres. */
export function isRaw(url: Secret): boolean {
  return isSqliteUrl(url) || isMysqlUrl(url);
}
