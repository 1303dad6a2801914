import type { Selection } from "../../domain/selection.ts";
import type { Session } from "../../ports/database.ts";
import { type MigrationStatus, readStatus } from "../copy/read-status.ts";
import { type RecordedEvent, readRecord, readSwitches } from "../cutover/cutover-ledger.ts";
import type { DagSwitch } from "../cutover/switch-state.ts";
import { type DecommissionStep, QUIET_DAYS, type SourceUse } from "./decommission.ts";

/** How often values of a column were kept in another form, and why. */
export interface ChangedValues {
  readonly entity: string;
  readonly field: string;
  readonly kind: string;
  readonly reason: string;
  readonly count: number;
}

/** What a migration was, for those who have to answer for it. */
export interface Evidence {
  /** The source database's identity, as the ledger knows it. */
  readonly identity: string;
  readonly source: string;
  readonly target: string;
  readonly airflow: { readonly source: string; readonly target: string };
  readonly at: string;
  readonly who: string;
  /** What the newest copy or delta was to move. */
  readonly planned: Selection;
  /** Values that the target could not hold as they were. */
  readonly changedValues: readonly ChangedValues[];
  readonly migration: MigrationStatus;
  readonly switches: readonly DagSwitch[];
  readonly record: readonly RecordedEvent[];
  readonly verified: { readonly rows: number; readonly differences: number; readonly seconds: number };
  /** Why differences were accepted. */
  readonly accepted?: string;
  readonly sourceUse: SourceUse;
  /** What has to be before the source is switched off. */
  readonly decommission: readonly DecommissionStep[];
}

/** What the target's ledger knows of a migration from the source. */
export async function readMigration(
  target: Session,
  source: string,
): Promise<Pick<Evidence, "changedValues" | "migration" | "switches" | "record">> {
  return {
    changedValues: await readChangedValues(target, source),
    migration: await readStatus(target),
    switches: await readSwitches(target, source),
    record: await readRecord(target, source),
  };
}

async function readChangedValues(target: Session, source: string): Promise<readonly ChangedValues[]> {
  const rows = await target.query<ChangedValues & Record<string, unknown>>(
    `select v.entity, v.field, v.kind, v.reason, sum(v.count)::float8 as count
     from crosswind.changed_value v join crosswind.run r on r.id = v.run where r.source = $1 group by 1, 2, 3, 4 order by 1, 2, 3, 4`,
    [source],
  );
  return rows;
}

const MOST_CALLERS = 20;

/** Reads how the source has been used of late. Columns that every release from 1.10 on has. */
export async function readSourceUse(source: Session): Promise<SourceUse> {
  const [run] = await source.query<{ at: Date | null }>(
    "select max(coalesce(end_date, start_date)) as at from dag_run",
  );
  const dags = await source.query<{ dag_id: string }>("select dag_id from dag where not is_paused order by 1");
  const callers = await source.query<{ who: string; events: string }>(
    `select owner as who, count(*) as events from log where dttm > now() - interval '${QUIET_DAYS} days' and coalesce(owner, '') <> ''
     group by 1 order by 2 desc limit ${MOST_CALLERS}`,
  );
  return {
    lastRunAt: run?.at?.toISOString() ?? null,
    unpausedDags: dags.map((each) => each.dag_id),
    callers: callers.map(({ who, events }) => ({ who, events: Number(events) })),
  };
}

/**
 * Removes what Crosswind keeps of the source in a database. The ledger goes as a whole where no other source has a run in it; else it stays, because
 * that one's deltas and ids hang on it. Gives false where it stays or there is none. In a transaction of the caller's.
 */
export async function removeLedger(session: Session, source: string): Promise<boolean> {
  const [row] = await session.query<{ there: boolean }>("select to_regnamespace('crosswind') is not null as there");
  if (row?.there !== true) return false;
  const others = await session.query("select 1 from crosswind.run where source <> $1 limit 1", [source]);
  if (others.length === 0) {
    await session.query("drop schema crosswind cascade");
    return true;
  }
  await session.query("delete from crosswind.run where source = $1", [source]);
  return false;
}
