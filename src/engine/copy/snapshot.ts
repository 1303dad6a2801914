import type { Database, Session } from "../../ports/database.ts";
import { readAbilities, type ServerAbilities } from "../probe/server-abilities.ts";
import { lifeOver } from "./problems.ts";

/** A position in the source from which later changes can be told. */
export interface Mark {
  /** Oldest transaction that was still open: 32 bits, as `xmin` has them. */
  readonly xid: string;
  /** `txid_current_snapshot()` as text: the name that every supported server knows. */
  readonly snapshot: string;
  /** The server's timeline: another one after a failover to a replica. Absent where the server does not tell. */
  readonly timeline?: string;
}

/**
 * A standby tells what it replays, a primary what it writes, which a promotion changes at once. The control file of a standby whose own primary was
 * replaced names the new timeline only with the next restart point or page written; its receiver at once, to roles that may read all statistics.
 * Source: PostgreSQL manual, system administration functions and `pg_stat_wal_receiver`.
 */
const TIMELINE = `select case when pg_is_in_recovery() then greatest((select timeline_id from pg_control_checkpoint()),
    (select min_recovery_end_timeline from pg_control_recovery()), (select received_tli from pg_stat_wal_receiver))::text
  else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text end as timeline`;

/** Asked on a session of its own: a refusal would end the holder's transaction. */
async function readTimeline(source: Database): Promise<Pick<Mark, "timeline">> {
  await using session = await source.session();
  const rows = await session.query<{ timeline: string | null }>(TIMELINE).catch(() => []);
  const timeline = rows[0]?.timeline;
  return timeline == null ? {} : { timeline };
}

/** One read snapshot shared by all readers; open as long as its holder is. */
export interface ReadSnapshot extends AsyncDisposable {
  readonly mark: Mark;
  /** Under which other sessions join it. */
  readonly exported: string;
  /** A session that sees exactly what the holder sees. */
  session(): Promise<Session>;
  /** The holder's own session, for small reads. */
  readonly holder: Session;
  readonly abilities: ServerAbilities;
}

/**
 * A server without TID range scans gets a chunk as a list of row addresses, and expects ten rows of it, however many there are. Joined row by
 * row with a list of runs, or a table without the right index, that would take the product of both.
 */
const WITHOUT_TID_RANGES = "set local enable_nestloop = off";

interface SnapshotFacts {
  readonly mark: Mark;
  readonly exported: string;
  readonly abilities: ServerAbilities;
  /** The run whose snapshot another process holds. Default: this one holds it. */
  readonly joinedOf?: string;
}

/** What a server says when the snapshot's holder is gone, or never was there. Source: PostgreSQL, snapmgr.c, ImportSnapshot. */
const GONE: ReadonlySet<unknown> = new Set(["42704", "22023"]);

function isGone(error: unknown): boolean {
  return GONE.has((error as { code?: unknown } | null)?.code);
}

class HeldSnapshot implements ReadSnapshot {
  readonly mark: Mark;
  readonly holder: Session;
  readonly abilities: ServerAbilities;
  readonly exported: string;
  readonly #database: Database;
  readonly #joinedOf: string | undefined;
  #isEnded = false;

  constructor(database: Database, holder: Session, facts: SnapshotFacts) {
    this.#database = database;
    this.holder = holder;
    this.mark = facts.mark;
    this.abilities = facts.abilities;
    this.exported = facts.exported;
    this.#joinedOf = facts.joinedOf;
  }

  async session(): Promise<Session> {
    const session = await this.#database.session();
    try {
      await session.joinSnapshot(this.exported);
      if (!this.abilities.hasTidRangeScan) await session.query(WITHOUT_TID_RANGES);
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      if (this.#joinedOf !== undefined && isGone(error)) throw lifeOver({ run: this.#joinedOf }, { cause: error });
      // The snapshot goes with its holder: that its connection was lost is what happened, not that the snapshot is unknown.
      await this.holder.query("select 1");
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.holder[Symbol.asyncDispose]();
  }
}

/** Opens and exports a REPEATABLE READ, READ ONLY snapshot of the source and takes the mark that belongs to it. */
export async function openReadSnapshot(source: Database): Promise<ReadSnapshot> {
  const timeline = await readTimeline(source);
  const holder = await source.session();
  try {
    await holder.beginSnapshot();
    const [row] = await holder.query<{ exported: string; snapshot: string; xid: string }>(
      `select pg_export_snapshot() as exported, txid_current_snapshot()::text as snapshot,
         (txid_snapshot_xmin(txid_current_snapshot()) % 4294967296)::text as xid`,
    );
    if (row === undefined) throw new Error("the server exported no snapshot");
    const mark: Mark = { xid: row.xid, snapshot: row.snapshot, ...timeline };
    return new HeldSnapshot(source, holder, { mark, exported: row.exported, abilities: await readAbilities(holder) });
  } catch (error) {
    await holder[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Joins the read snapshot of another process, which goes with that process: then it and its sessions throw RUN_LIFE_OVER. `mark`: as it was
 * recorded.
 */
export async function joinReadSnapshot(
  source: Database,
  { exported, mark, joinedOf }: Required<Omit<SnapshotFacts, "abilities">>,
): Promise<ReadSnapshot> {
  const holder = await source.session();
  try {
    await holder.joinSnapshot(exported);
    return new HeldSnapshot(source, holder, { mark, exported, joinedOf, abilities: await readAbilities(holder) });
  } catch (error) {
    await holder[Symbol.asyncDispose]();
    throw isGone(error) ? lifeOver({ run: joinedOf }, { cause: error }) : error;
  }
}

/**
 * By table: how many rows were ever deleted, as the server's statistics have it, with when these were reset, be it by a crash, after which only
 * the background writer's say so. Taken before a read snapshot: what is deleted later makes another number sooner or later. Empty where the server
 * does not tell; a standby counts nothing of what its primary deletes.
 */
export async function readDeleted(source: Database): Promise<Readonly<Record<string, string>>> {
  await using session = await source.session();
  const rows = await session
    .query<{ name: string; deleted: string }>(
      `select t.relname as name, concat_ws(' ', t.n_tup_del, d.stats_reset, b.stats_reset, pg_postmaster_start_time()) as deleted
       from pg_stat_user_tables t, pg_stat_database d, pg_stat_bgwriter b where t.schemaname = 'public' and d.datname = current_database()
         and not pg_is_in_recovery() and current_setting('track_counts')::bool`,
    )
    .catch(() => []);
  return Object.fromEntries(rows.map(({ name, deleted }) => [name, deleted]));
}
