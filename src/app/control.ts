import { headUnknown } from "../airflow/problems.ts";
import { releaseOfHead, releases } from "../airflow/releases.ts";
import { openDatabaseControl } from "../connectors/airflow-database/database-control.ts";
import { type Credentials, openRestControl } from "../connectors/airflow-rest/open-rest-control.ts";
import { controlApiInvalid } from "../connectors/problems.ts";
import { openPostgres } from "../databases/postgres/postgres.ts";
import type { ApiConfig, Config } from "../domain/config.ts";
import type { Release } from "../domain/release.ts";
import type { Control } from "../ports/control.ts";
import type { Database } from "../ports/database.ts";

/**
 * Opens control of one side: through its API where the configuration has one, else through its database, with sessions that may write, of
 * which `connectors/airflow-database/writes.ts` makes use.
 *
 * Throws CONTROL_API_INVALID, SCHEMA_HEAD_UNKNOWN, DATABASE_URL_INVALID for a database that is no Postgres, and the problems of the first call.
 */
export async function openControl(config: Config, side: "source" | "target", signal: AbortSignal): Promise<Control> {
  const { api, database: url } = config[side];
  if (api !== undefined) {
    return await openRestControl({ side, url: api.url ?? "", credentials: credentialsOf(side, api), signal });
  }
  await using resources = new AsyncDisposableStack();
  const database = resources.use(openPostgres({ url, name: side }));
  const release = await releaseOf(database, side);
  resources.move();
  return openDatabaseControl({ side, database, release });
}

function credentialsOf(side: string, { username, password, token }: ApiConfig): Credentials {
  const isNamed = username !== undefined && password !== undefined;
  if (isNamed && token !== undefined) {
    throw controlApiInvalid({ side, reason: "it has a token, and a user name and a password as well" });
  }
  if (token !== undefined) return { token };
  if (isNamed) return { username, password };
  throw controlApiInvalid({ side, reason: "it needs a user name and a password, or a token" });
}

/** The head alone: rights to read the whole catalogue are not needed for control. */
async function releaseOf(database: Database, side: string): Promise<Release> {
  const [row] = await database.query<{ head: string }>("select version_num as head from alembic_version");
  const head = row?.head ?? "none";
  const found = releaseOfHead(head);
  if (found !== undefined) return found.release;
  throw headUnknown({ side, where: database.label, head, newest: releases.at(-1)?.schemas?.at(-1) ?? "" });
}
