import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import { handOverStatements } from "../../airflow/hand-over.ts";
import { pendingAssets } from "../../airflow/pending-events.ts";
import type { Entity, Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { writeChunk } from "../copy/copy-chunk.ts";
import { allLanes, type CopyJob, dagRunOf } from "../copy/copy-context.ts";
import { readFilenodes } from "../copy/copy-run.ts";
import { settleIdRules } from "../copy/id-rules.ts";
import * as ledger from "../copy/ledger.ts";
import { readIdRules } from "../copy/ledger-ids.ts";
import { RowCopier, type RowCopierParts } from "../copy/row-copier.ts";
import { openReadSnapshot, type ReadSnapshot } from "../copy/snapshot.ts";
import { type KeptOnTarget, literal, type ResolvedSelection, unfinishedRuns } from "../select/filters.ts";
import { type IdRules, identifier, NO_ID_RULES, type Translation } from "../translate/translate.ts";
import { assertMarkHolds, assertRoom, type Base, readBase } from "./base.ts";
import { type ChangedRows, changesOf, reachOf } from "./changes.ts";
import { runsOfTargetsOwn } from "./own-runs.ts";
import { carryPendingEvents } from "./pending-events.ts";

/** What the delta of one DAG wrote. */
export interface DagDelta {
  readonly dag: string;
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  /** Runs of the DAG that are not finished on the source: they stay there. */
  readonly openRuns: readonly string[];
}

/** Deltas of single DAGs, for a cutover: what they share is looked up once. */
export interface DagDeltas {
  /**
   * Brings what changed of one DAG since the last copy or delta: everything in one transaction of the target, from one read snapshot of the
   * source that is taken now. `handedOver`: runs that are brought although they are not finished, for the target to go on with.
   */
  bring(dag: string, handedOver?: readonly string[]): Promise<DagDelta>;
}

type Shared = Pick<RowCopierParts, "dagRun" | "ids"> & { readonly base: Base };

async function share(job: CopyJob, snapshot: ReadSnapshot, target: Session): Promise<Shared> {
  const base = await readBase(target, { identity: job.identity, label: job.target.label });
  assertMarkHolds(base, snapshot.mark);
  await ledger.createLedger(target);
  return { base, ids: await settleIds(job, snapshot, target), dagRun: dagRunOf(job, dagRunEntity) };
}

/** The rules that ids of the source's rows follow on the target; made where there are none yet. */
async function settleIds(job: CopyJob, snapshot: ReadSnapshot, target: Session): Promise<IdRules> {
  const translations = [...allLanes(job, NO_ID_RULES).values()].map((lanes) => lanes.optimistic);
  await assertRoom(snapshot.holder, translations, await readIdRules(target, job.identity));
  const { identity, targetSide } = job;
  return await target.transaction(() =>
    settleIdRules(snapshot.holder, target, { translations, identity, targetRelease: targetSide.release }),
  );
}

interface DagJob extends Shared {
  readonly job: CopyJob;
  readonly snapshot: ReadSnapshot;
  readonly dag: string;
  readonly handedOver: readonly string[];
}

/** Runs that the target made itself are kept there from now on: by later deltas and comparisons, too. */
async function keepOwnRuns(target: Session, dagJob: DagJob): Promise<KeptOnTarget> {
  const { base, snapshot } = dagJob;
  const own = await runsOfTargetsOwn(target, { ...dagJob, source: snapshot.holder });
  const kept = base.selection.kept ?? { keptObjects: {}, keptRuns: [] };
  const known = new Set(kept.keptRuns.map((run) => JSON.stringify([run.dag_id, run.run_id])));
  const added = own.filter((run) => !known.has(JSON.stringify([run.dag_id, run.run_id])));
  if (added.length > 0) await ledger.addKeptRuns(target, base.run, added);
  return { ...kept, keptRuns: [...kept.keptRuns, ...added] };
}

async function selectDag(target: Session, dagJob: DagJob): Promise<ResolvedSelection> {
  const { job, snapshot, dag, dagRun, base, handedOver } = dagJob;
  // A DAG that had no finished run then has no oldest one to begin at.
  const oldest = base.selection.since?.["*"] ?? base.selection.since?.[dag];
  const open = await unfinishedRuns(snapshot.holder, dagRun, dag);
  return {
    kept: await keepOwnRuns(target, dagJob),
    dags: [dag],
    leftOut: open.filter((run) => !handedOver.includes(run.run_id)),
    without: job.selection.without,
    ...(oldest === undefined ? {} : { since: { "*": oldest } }),
  };
}

export interface DagRows {
  readonly rows: RowCopier;
  readonly snapshot: ReadSnapshot;
  readonly dag: string;
  readonly changes: (translation: Translation) => readonly ChangedRows[];
}

/**
 * Rows of no DAG that the DAG's history points to, or its next run will: a run is started by events that tasks of other DAGs have reported, and some of
 * them may have been.
 */
function referredTo({ id, serial, fields: own }: Entity, { rows, dag }: DagRows): Sql | undefined {
  const referring = rows.loadedBy("bulk").flatMap(({ optimistic }) => {
    const { scope, fields } = optimistic.entity;
    if (scope.of === "environment" || serial === undefined) return [];
    const names = Object.keys(fields).filter((name) => fields[name]?.references === id);
    const ofDag = `r.${identifier(scope.dag)} = ${literal(dag)}`;
    return names.map(
      (name) =>
        `c.${identifier(serial.field)} in (select r.${identifier(name)} from (${optimistic.canonical()}) r where ${ofDag})`,
    );
  });
  const asset = Object.keys(own).find((name) => own[name]?.references === "asset");
  const waitedFor = asset === undefined ? undefined : pendingAssets(rows.job.sourceSide.release, literal(dag));
  if (waitedFor !== undefined) referring.push(`c.${identifier(asset ?? "")} in (${waitedFor})`);
  return referring.length === 0 ? undefined : `(${referring.join(" or ")})`;
}

/** Two deltas that bring the same row at once: the second waits for the first, and finds it there. */
const SHARED_ROWS = "select pg_advisory_xact_lock(hashtext('airflow-crosswind shared rows'))";

/** Merges one entity's changed rows of a DAG within the target session's transaction. */
async function mergeEntity(target: Session, translation: Translation, of: DagRows) {
  const { rows, snapshot, dag, changes } = of;
  const { entity } = translation;
  const sum = { read: 0, inserted: 0, updated: 0 };
  const { scope } = entity;
  const ofDag = scope.of === "environment" ? referredTo(entity, of) : `c.${scope.dag} = ${literal(dag)}`;
  if (ofDag === undefined) return sum;
  if (scope.of === "environment") await target.query(SHARED_ROWS);
  const lanes = rows.lanes(entity.id);
  for (const { name, source, canonical } of changes(translation)) {
    await using session = await snapshot.session();
    const chunk = {
      run: rows.job.run,
      entity: entity.id,
      name: `${name} of ${dag} at ${snapshot.mark.snapshot}`,
      ...(source === undefined ? {} : { source }),
      canonical: canonical === undefined ? ofDag : `${ofDag} and (${canonical})`,
    };
    // The careful translation: nothing of it can fail on a value, which would end the transaction.
    const copied = await writeChunk({ source: session, target }, lanes.careful, {
      chunk,
      way: "merge",
      ...lanes,
      rows: rows.rowsOf(lanes.careful),
      codecs: rows.job.codecs,
      replaced: [],
      onBytes: () => {},
    });
    sum.read += copied.rows;
    sum.inserted += copied.inserted;
    sum.updated += copied.updated;
  }
  return sum;
}

/** Merges what changed of a DAG's history, parents first, within the target session's transaction. */
export async function mergeHistory(
  target: Session,
  of: DagRows,
): Promise<Pick<DagDelta, "read" | "inserted" | "updated">> {
  const all = { read: 0, inserted: 0, updated: 0 };
  for (const { optimistic } of of.rows.loadedBy("bulk")) {
    const sum = await mergeEntity(target, optimistic, of);
    all.read += sum.read;
    all.inserted += sum.inserted;
    all.updated += sum.updated;
  }
  return all;
}

async function bringDag(target: Session, dagJob: DagJob): Promise<DagDelta> {
  const { job, snapshot, dag, base } = dagJob;
  const selection = await selectDag(target, dagJob);
  const rows = new RowCopier({ ...dagJob, selection });
  await rows.loadMaps();
  const history = rows.loadedBy("bulk").map(({ optimistic }) => optimistic);
  const filenodes = await readFilenodes(snapshot.holder, history);
  const before = base.selection.leftOut.filter((run) => run.dag_id === dag);
  const reach = reachOf({ ...base.selection, leftOut: before }, selection, new Set());
  const options = { base, reach, filenodes, dag, sourceRelease: job.sourceSide.release, isLanded: false };
  const changes = (translation: Translation) => changesOf(translation, options);
  const sum = await mergeHistory(target, { rows, snapshot, dag, changes });
  if (dagJob.handedOver.length > 0) {
    for (const sql of handOverStatements(job.targetSide.release)) await target.query(sql, [dag, dagJob.handedOver]);
  }
  await carryPendingEvents(dag, {
    from: { session: snapshot.holder, release: job.sourceSide.release },
    to: { session: target, release: job.targetSide.release },
  });
  const openRuns = selection.leftOut.map((run) => run.run_id);
  // What has come is not left out any more: later changes of it are told by the mark.
  await ledger.forgetLeftOut(target, { run: base.run, dag, except: openRuns });
  return { dag, ...sum, openRuns };
}

/** Looks up what the deltas of single DAGs share. `job.run` is an id of its own. Throws SYNC_* and COPY_TYPES_DIFFER. */
export async function openDagDeltas(job: CopyJob): Promise<DagDeltas> {
  await using first = await openReadSnapshot(job.source);
  await using target = await job.target.session();
  const shared = await share(job, first, target);
  await new RowCopier({ job, snapshot: first, selection: shared.base.selection, ...shared }).checkTypes();
  return {
    bring: async (dag, handedOver = []) => {
      await using snapshot = await openReadSnapshot(job.source);
      assertMarkHolds(shared.base, snapshot.mark);
      await using session = await job.target.session();
      return await session.transaction(() => bringDag(session, { ...shared, job, snapshot, dag, handedOver }));
    },
  };
}
