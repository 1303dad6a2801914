import type { Database } from "../../ports/database.ts";

/**
 * Ends sessions that dead processes have left open, by the tags that they are named with: what is stopped may hold locks, and would go on with
 * its transaction when it wakes. A role may do so with its own sessions; where it may not, they are waited for.
 */
export async function endSessions(database: Database, tags: readonly string[]): Promise<void> {
  await using session = await database.session();
  await session
    .query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where pid <> pg_backend_pid() and application_name like 'crosswind %' and split_part(split_part(application_name, ': ', 1), ' ', 3) = any ($1)`,
      [tags],
    )
    .catch(() => []);
}
