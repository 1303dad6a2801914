import type { Session } from "../../ports/database.ts";

/** What a Postgres server can do that other supported versions can not. */
export interface ServerAbilities {
  /** Reads a range of blocks (`ctid >= .. and ctid < ..`) without reading the blocks before it. */
  readonly hasTidRangeScan: boolean;
}

/** The major version that brought an ability. Source: PostgreSQL release notes, 14: "Allow efficient heap scanning of a range of TIDs". */
const SINCE = { hasTidRangeScan: 14 } as const satisfies Record<keyof ServerAbilities, number>;

/** The abilities of a server by its `server_version_num`. */
export function abilitiesOf(versionNumber: number): ServerAbilities {
  const major = Math.floor(versionNumber / 10_000);
  return { hasTidRangeScan: major >= SINCE.hasTidRangeScan };
}

/**
 * Oldest and newest major version of Postgres that the tests run against, per side. The page docs/guides/servers.md has them one by one.
 * The state's tables are DBOS's own, which ask the server for UUIDs (`gen_random_uuid`: release notes of PostgreSQL 13).
 */
export const SUPPORTED_SERVERS = { source: [12, 18], target: [13, 18], state: [13, 18] } as const;

/** Asks the session's server for its version, and says what it can do. */
export async function readAbilities(session: Session): Promise<ServerAbilities> {
  const [row] = await session.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  return abilitiesOf(row?.version ?? 0);
}
