import type { Secret } from "../domain/secret.ts";
import type { RawSource } from "../ports/raw-source.ts";
import type { RawTarget } from "../ports/raw-target.ts";
import { openMysql } from "./mysql/mysql.ts";
import { openMysqlTarget } from "./mysql/target.ts";
import { isMysqlUrl } from "./mysql/url.ts";
import { targetSqlite } from "./problems.ts";
import { openSqlite } from "./sqlite/sqlite.ts";
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

/** A target that is no Postgres and takes rows; undefined for a Postgres, and for what is no known URL at all. Throws DATABASE_URL_INVALID, TARGET_IS_SQLITE. */
export function openRawTarget(url: Secret): RawTarget | undefined {
  if (isSqliteUrl(url)) throw targetSqlite({});
  return isMysqlUrl(url) ? openMysqlTarget({ url, name: "target" }) : undefined;
}
