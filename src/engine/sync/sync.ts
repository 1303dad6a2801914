import pLimit from "p-limit";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import { inDepths } from "../../domain/depths.ts";
import type { Entity } from "../../domain/entity.ts";
import type { RunKey, SettledConflicts } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import { allLanes, type CopyJob, dagRunOf } from "../copy/copy-context.ts";
import { readFilenodes } from "../copy/copy-run.ts";
import { readTargetOwnedDags } from "../copy/dag-owners.ts";
import { settleIdRules } from "../copy/id-rules.ts";
import * as ledger from "../copy/ledger.ts";
import { readIdRules } from "../copy/ledger-ids.ts";
import { restoreAll } from "../copy/restore-indexes.ts";
import { RowCopier } from "../copy/row-copier.ts";
import { openReadSnapshot, type ReadSnapshot, readDeleted } from "../copy/snapshot.ts";
import { type LeftOutRun, type ResolvedSelection, resolveSelection } from "../select/filters.ts";
import { NO_ID_RULES, type Translation } from "../translate/translate.ts";
import type { Ownership } from "../verify/row-queries.ts";
import { assertMarkHolds, assertRoom, type Base, readBase } from "./base.ts";
import { changesOf, type Reach, reachOf } from "./changes.ts";
import { type DeletedRows, type Deletions, findDeleted } from "./deletions.ts";
import * as problems from "./problems.ts";

/** A delta: everything but what the ledger says. `run` is an id of its own, new for each. */
export interface SyncJob extends CopyJob {
  readonly deletions: Deletions;
  /** Entities brought at once. */
  readonly lanes: number;
  /** Aborted: SYNC_STOPPED is thrown before the next entity. */
  readonly signal: AbortSignal;
}

/** What a delta brought of one entity. `read` is what was looked at: the rest was equal. */
export interface SyncedEntity {
  readonly entity: string;
  /** Plural, for people. */
  readonly title: string;
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  readonly bytes: number;
}

/** What a delta found and did. */
export interface SyncSummary {
  readonly run: string;
  /** The run that it starts from, and when that began. */
  readonly base: { readonly run: string; readonly at: string };
  readonly entities: readonly SyncedEntity[];
  /** Runs that were left out before and have ended. */
  readonly arrivedRuns: number;
  readonly arrivedDags: readonly string[];
  /** Runs that were copied and are open again: as they were on the target, until they end. */
  readonly reopenedRuns: readonly RunKey[];
  /** Runs that are not finished: they come with a later delta, or with the cutover. */
  readonly openRuns: number;
  readonly deleted: readonly DeletedRows[];
  /** DAGs that are live on the target, which nothing is brought of. */
  readonly liveOnTarget: readonly string[];
}

type Deleted = Readonly<Record<string, string>>;

interface Opened {
  /** By source table: what its statistics say of deleted rows now. */
  readonly deletedNow: Deleted;
  readonly job: SyncJob;
  readonly snapshot: ReadSnapshot;
  readonly base: Base;
  readonly reach: Reach;
  readonly rows: RowCopier;
  readonly filenodes: Readonly<Record<string, string>>;
  readonly owned: Ownership;
}

/** Of the runs that are open now, those that the target has of us: they were copied as finished. */
async function copiedOf(
  target: Session,
  open: readonly LeftOutRun[],
  { selection }: Base,
): Promise<ReadonlySet<string>> {
  const rows = await target.query<RunKey & Record<string, unknown>>(
    "select dag_id, run_id from dag_run where (dag_id, run_id) in (select * from unnest($1::text[], $2::text[]))",
    [open.map((run) => run.dag_id), open.map((run) => run.run_id)],
  );
  const before = new Set(selection.leftOut.map((run) => JSON.stringify([run.dag_id, run.run_id])));
  return new Set(rows.map((run) => JSON.stringify([run.dag_id, run.run_id])).filter((key) => !before.has(key)));
}

async function select(
  job: SyncJob,
  sessions: { source: Session; target: Session },
  base: Base,
): Promise<ResolvedSelection> {
  const dagRun = dagRunOf(job, dagRunEntity);
  const now = await resolveSelection(sessions.source, dagRun, { selection: job.selection, now: job.now });
  const { since } = base.selection;
  const kept: SettledConflicts = job.conflicts;
  return {
    ...now,
    // What a history of days or of runs reaches was settled with the first copy: it does not lose its oldest rows since.
    ...(since === undefined ? {} : { since: { ...now.since, ...since } }),
    kept,
    ownedByTarget: await readTargetOwnedDags(sessions.target, job.identity),
  };
}

interface Begin {
  readonly job: SyncJob;
  readonly snapshot: ReadSnapshot;
  readonly target: Session;
  readonly deletedNow: Deleted;
}

async function begin({ job, snapshot, target, deletedNow }: Begin): Promise<Opened> {
  const base = await readBase(target, { identity: job.identity, label: job.target.label });
  if (job.source.landed === undefined) assertMarkHolds(base, snapshot.mark);
  await ledger.createLedger(target);
  await restoreAll(target);
  const source = snapshot.holder;
  const selection = await select(job, { source, target }, base);
  const translations = [...allLanes(job, NO_ID_RULES).values()].map((lanes) => lanes.optimistic);
  const filenodes = await readFilenodes(source, translations);
  const dagRun = dagRunOf(job, dagRunEntity);
  const { mark } = snapshot;
  const { run, identity, selection: planned, targetSide } = job;
  const known = await readIdRules(target, identity);
  await assertRoom(source, translations, known);
  const ids = await target.transaction(async () => {
    const begun = { run, source: identity, mark, filenodes, planned, selection, deleted: deletedNow };
    await ledger.beginRun(target, { ...begun, kind: "sync" });
    return await settleIdRules(source, target, { translations, identity, targetRelease: targetSide.release });
  });
  const rows = new RowCopier({ job, snapshot, selection, dagRun, ids });
  const rules = new Map((await readIdRules(target, job.identity)).map((rule) => [rule.entity, rule]));
  await rows.loadMaps();
  await rows.checkTypes();
  const reach = reachOf(base.selection, selection, await copiedOf(target, selection.leftOut, base));
  const ownRuns = dagRunOf({ sourceSide: job.targetSide }, dagRunEntity);
  const owned = { rules, resolved: selection, dagRun: ownRuns, target: job.targetSide };
  return { job, snapshot, base, reach, rows, filenodes, owned, deletedNow };
}

async function bring({ job, base, reach, rows, filenodes }: Opened, entity: Entity): Promise<SyncedEntity> {
  if (job.signal.aborted) throw problems.syncStopped({ entity: entity.title });
  const { optimistic } = rows.lanes(entity.id);
  const sourceRelease = job.sourceSide.release;
  const isLanded = job.source.landed !== undefined;
  const sum = { read: 0, inserted: 0, updated: 0, bytes: 0 };
  for (const { name, ...where } of changesOf(optimistic, { base, reach, filenodes, sourceRelease, isLanded })) {
    const copied = await rows.merge({ run: job.run, entity: entity.id, name, ...where });
    sum.read += copied.rows;
    sum.inserted += copied.inserted;
    sum.updated += copied.updated;
    sum.bytes += copied.bytes;
  }
  return { entity: entity.id, title: entity.title, ...sum };
}

/** Objects one after the other, because they refer to each other; then history, parents first, some at once. */
async function bringAll(opened: Opened): Promise<readonly SyncedEntity[]> {
  const { job, rows } = opened;
  const synced: SyncedEntity[] = [];
  job.onEvent({ kind: "phase", phase: "objects" });
  for (const { optimistic } of rows.loadedBy("merge")) synced.push(await bring(opened, optimistic.entity));
  job.onEvent({ kind: "phase", phase: "history" });
  const history = new Map(rows.loadedBy("bulk").map(({ optimistic: { entity } }) => [entity.id, entity]));
  const limit = pLimit(job.lanes);
  for (const stage of inDepths([...history.keys()], (id) => history.get(id)?.after ?? [])) {
    const entities = stage.flatMap((id) => history.get(id) ?? []);
    synced.push(...(await limit.map(entities, (entity) => bring(opened, entity))));
  }
  return synced;
}

/** The statistics of the table say that no row was deleted since the base began. They may lag: the next delta sees another number then. */
function isUntouched({ base, filenodes, deletedNow }: Opened, { sourceTable }: Translation): boolean {
  const before = base.deleted[sourceTable];
  const isSameFile = base.filenodes[sourceTable] === filenodes[sourceTable];
  return before !== undefined && before === deletedNow[sourceTable] && isSameFile;
}

async function findAllDeleted(opened: Opened): Promise<readonly DeletedRows[]> {
  const { job, snapshot, rows, owned } = opened;
  if (job.source.landed !== undefined && job.deletions === "keep") return [];
  const deleted: DeletedRows[] = [];
  // Children first: they refer to their parents.
  for (const { optimistic } of rows.all.toReversed()) {
    if (job.signal.aborted) throw problems.syncStopped({ entity: `deletions of ${optimistic.entity.title}` });
    if (job.deletions === "keep" && isUntouched(opened, optimistic)) continue;
    await using source = await snapshot.session();
    await using target = await job.target.session();
    const options = { rows, owned, deletions: job.deletions };
    deleted.push(...(await target.transaction(() => findDeleted({ source, target }, optimistic, options))));
  }
  return deleted;
}

/**
 * Brings what changed on the source since the newest run that ended: inserted and updated rows, runs that have ended since, DAGs that were
 * selected since; then looks for rows that the source no longer has.
 *
 * Repeatable, and may be killed at any time: its mark counts only when it has ended, and rows are merged by their keys. Rows of DAGs that are
 * live on the target are left alone. Throws SYNC_* and what stops a copy.
 */
export async function runSync(job: SyncJob): Promise<SyncSummary> {
  const deletedNow = await readDeleted(job.source);
  await using snapshot = await openReadSnapshot(job.source);
  await using target = await job.target.session();
  job.onEvent({ kind: "phase", phase: "prepare" });
  const opened = await begin({ job, snapshot, target, deletedNow });
  const entities = await bringAll(opened);
  job.onEvent({ kind: "phase", phase: "finish" });
  const deleted = await findAllDeleted(opened);
  await ledger.finishRun(target, job.run);
  const { base, reach, rows } = opened;
  return {
    run: job.run,
    base: { run: base.run, at: base.at },
    entities,
    arrivedRuns: reach.arrivedRuns.length,
    arrivedDags: reach.arrivedDags,
    reopenedRuns: reach.reopenedRuns.map(({ dag_id, run_id }) => ({ dag_id, run_id })),
    openRuns: rows.selection.leftOut.length,
    deleted,
    liveOnTarget: rows.selection.ownedByTarget ?? [],
  };
}
