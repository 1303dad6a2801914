import type { Session } from "../../ports/database.ts";

/** A session for which a server keeps rows that are dead for all others: until it ends, vacuum can not remove what was deleted since it began. */
export interface HeldHorizon {
  /** As the session is named: `crosswind source`. */
  readonly who: string;
  readonly isOurs: boolean;
  /** Since its transaction began. */
  readonly seconds: number;
  /** Transactions that began since. */
  readonly transactions: number;
}

/** Sessions of others are seen by their owner and by `pg_monitor`; those of Crosswind have the role that asks. Source: PostgreSQL manual, pg_stat_activity. */
const HOLDERS = `
  select coalesce(nullif(application_name, ''), 'a session without a name') as who, application_name like 'crosswind %' as ours,
    extract(epoch from clock_timestamp() - xact_start)::int as seconds, age(backend_xmin)::int as transactions
  from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_xmin is not null and xact_start is not null
    and coalesce(backend_type, 'client backend') <> 'autovacuum worker'
  order by age(backend_xmin) desc, xact_start limit 1`;

/** The session that holds the horizon of vacuum back farthest; undefined where none has a snapshot. */
export async function readHeldHorizon(session: Session): Promise<HeldHorizon | undefined> {
  const [row] = await session.query<{ who: string; ours: boolean; seconds: number; transactions: number }>(HOLDERS);
  return row === undefined
    ? undefined
    : { who: row.who, isOurs: row.ours, seconds: row.seconds, transactions: row.transactions };
}
