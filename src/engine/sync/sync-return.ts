import { tableOf } from "../../airflow/define-entity.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { changedSince } from "../copy/chunks.ts";
import { type CopyJob, dagRunOf, lanesOf } from "../copy/copy-context.ts";
import * as ledger from "../copy/ledger.ts";
import { RowCopier, type RowCopierParts } from "../copy/row-copier.ts";
import { openReadSnapshot, type ReadSnapshot } from "../copy/snapshot.ts";
import { literal, unfinishedRuns } from "../select/filters.ts";
import { type IdPair, type IdRules, NO_ID_RULES, type Translation } from "../translate/translate.ts";
import type { ChangedRows } from "./changes.ts";
import { carryPendingEvents } from "./pending-events.ts";
import { type DagDelta, mergeHistory } from "./sync-dag.ts";

/** Deltas of single DAGs on the way back: what the target did since the DAG's rows count there. */
export interface ReturnDeltas {
  /** `xid`: the target's transaction from which on its own work counts. */
  bring(dag: string, xid: string): Promise<DagDelta>;
}

/** The source numbers the runs that come back: the numbers that it kept free are its own, and those of the target mean other rows there. */
const RUN_NUMBERED_BY_SOURCE: Entity = { ...dagRunEntity, serial: { field: "id", rule: "mapped" } };

/** Rows that nothing but a number identifies can not be told from those that came from the source: they stay (the audit log, events of assets). */
function isNumberedOnly(entity: Entity): boolean {
  return entity.serial?.rule === "kept" && entity.id !== dagRunEntity.id;
}

/** History that goes back besides runs: what is known by more than a number. */
function returned(entities: readonly Entity[]): readonly Entity[] {
  const staying = new Set(entities.filter(isNumberedOnly).map(({ id }) => id));
  return entities.filter(
    ({ id, load, key, fields }) =>
      load === "bulk" &&
      id !== dagRunEntity.id &&
      !staying.has(id) &&
      !key.some((name) => staying.has(fields[name]?.references ?? "")),
  );
}

interface DagJob {
  readonly job: CopyJob;
  readonly snapshot: ReadSnapshot;
  readonly dag: string;
  /** The transaction from which on the target's work counts. */
  readonly xid: string;
}

function idsOf({ entities }: CopyJob, runs: readonly IdPair[]): IdRules {
  const staying = entities.filter(isNumberedOnly).map(({ id }) => [id, []] as const);
  return { ...NO_ID_RULES, maps: { ...Object.fromEntries(staying), [dagRunEntity.id]: runs } };
}

/** Ids of a DAG's runs on both sides, by what the target calls them in the source's words. */
async function pairsOfRuns({ job, snapshot, dag }: DagJob, target: Session): Promise<readonly IdPair[]> {
  const own = dagRunOf({ sourceSide: job.targetSide }, dagRunEntity);
  const translated = lanesOf(job, dagRunEntity, NO_ID_RULES)?.optimistic;
  const runId = translated?.columns.find((column) => column.field === "run_id")?.expression;
  if (runId === undefined) throw new Error("no release is without run ids");
  const read = (session: Session, translation: Translation, name: string) =>
    session.query<{ id: number; name: string }>(
      `select c.id, ${name} as name from (${translation.canonical()}) c where c.dag_id = ${literal(dag)}`,
    );
  const there = new Map((await read(target, own, "c.run_id")).map((run) => [run.name, run.id]));
  const here = await read(snapshot.holder, dagRunOf(job, dagRunEntity), runId);
  return here.flatMap(({ id, name }) => {
    const known = there.get(name);
    return known === undefined ? [] : [[id, known] as const];
  });
}

async function mergeReturned(target: Session, dagJob: DagJob, parts: Omit<RowCopierParts, "dagRun" | "snapshot">) {
  const { job, snapshot, dag, xid } = dagJob;
  const rows = new RowCopier({ ...parts, snapshot, dagRun: dagRunOf(job, dagRunEntity) });
  await rows.loadMaps();
  const changes = ({ entity }: Translation): readonly ChangedRows[] => {
    const from = tableOf(entity, job.sourceSide.release)?.from;
    const ofDag = entity.scope.of === "environment" ? undefined : dag;
    return [{ name: "changed", source: changedSince(from, xid, ofDag) }];
  };
  return await mergeHistory(target, { rows, snapshot, dag, changes });
}

/** Runs first: what hangs on them needs the numbers that the source gives them. */
async function returnDag(target: Session, dagJob: DagJob): Promise<DagDelta> {
  const { job, snapshot, dag } = dagJob;
  const leftOut = await unfinishedRuns(snapshot.holder, dagRunOf(job, dagRunEntity), dag);
  const selection = { dags: [dag], leftOut, without: [] };
  const ofRuns = { ...job, entities: [RUN_NUMBERED_BY_SOURCE] };
  const runs = await mergeReturned(target, dagJob, { job: ofRuns, selection, ids: idsOf(job, []) });
  const ids = idsOf(job, await pairsOfRuns(dagJob, target));
  const ofRest = { ...job, entities: returned(job.entities) };
  const rest = await mergeReturned(target, dagJob, { job: ofRest, selection, ids });
  await carryPendingEvents(dag, {
    from: { session: snapshot.holder, release: job.sourceSide.release },
    to: { session: target, release: job.targetSide.release },
  });
  return {
    dag,
    read: runs.read + rest.read,
    inserted: runs.inserted + rest.inserted,
    updated: runs.updated + rest.updated,
    openRuns: leftOut.map((run) => run.run_id),
  };
}

/**
 * Looks up what the deltas on the way back share: `job` goes from the migration's target to its source. Writes nothing until a DAG goes back; the
 * source gets a ledger of its own then, which `complete` removes.
 */
export async function openReturnDeltas(job: CopyJob): Promise<ReturnDeltas> {
  await using first = await openReadSnapshot(job.source);
  const entities = [RUN_NUMBERED_BY_SOURCE, ...returned(job.entities)];
  const parts = { snapshot: first, dagRun: dagRunOf(job, dagRunEntity), ids: idsOf(job, []) };
  await new RowCopier({ job: { ...job, entities }, selection: { leftOut: [], without: [] }, ...parts }).checkTypes();
  return {
    bring: async (dag, xid) => {
      await using snapshot = await openReadSnapshot(job.source);
      await using session = await job.target.session();
      await ledger.createLedger(session);
      return await session.transaction(() => returnDag(session, { job, snapshot, dag, xid }));
    },
  };
}
