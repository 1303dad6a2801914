import { tableOf } from "../../airflow/define-entity.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { changedSince } from "../copy/chunks.ts";
import { type CopyJob, dagRunOf, lanesOf } from "../copy/copy-context.ts";
import * as ledger from "../copy/ledger.ts";
import { RowCopier, type RowCopierParts } from "../copy/row-copier.ts";
import { openReadSnapshot, type ReadSnapshot } from "../copy/snapshot.ts";
import { literal, unfinishedRuns } from "../select/filters.ts";
import { type IdPair, identifier, NO_ID_RULES, type Translation } from "../translate/translate.ts";
import type { ChangedRows } from "./changes.ts";
import { type DagDelta, mergeHistory, settleIds } from "./sync-dag.ts";

/** For the way back: `job` goes from the migration's target to its source. */
export interface ReturnOptions {
  /** Ids that were kept free for the source on the target: rows without a key of their own that have one are the source's own. */
  readonly forwardRules: readonly ledger.IdRule[];
}

/** Deltas of single DAGs on the way back: what the target did since the DAG's rows count there. */
export interface ReturnDeltas {
  /** `xid`: the target's transaction from which on its own work counts. */
  bring(dag: string, xid: string): Promise<DagDelta>;
}

interface DagJob extends Pick<RowCopierParts, "job" | "dagRun" | "ids"> {
  readonly snapshot: ReadSnapshot;
  readonly dag: string;
}

/** Ids of a DAG's runs on both sides, by what the target calls them in the source's words. */
async function pairsOfRuns({ job, dagRun, dag, snapshot }: DagJob, target: Session): Promise<readonly IdPair[]> {
  const own = dagRunOf({ sourceSide: job.targetSide }, dagRunEntity);
  const translated = lanesOf(job, dagRunEntity, NO_ID_RULES)?.optimistic;
  const runId = translated?.columns.find((column) => column.field === "run_id")?.expression;
  if (runId === undefined) throw new Error("no release is without run ids");
  const read = (session: Session, translation: Translation, name: string) =>
    session.query<{ id: number; name: string }>(
      `select c.id, ${name} as name from (${translation.canonical()}) c where c.dag_id = ${literal(dag)}`,
    );
  const there = new Map((await read(target, own, "c.run_id")).map((run) => [run.name, run.id]));
  const here = await read(snapshot.holder, dagRun, runId);
  return here.flatMap(({ id, name }) => {
    const known = there.get(name);
    return known === undefined ? [] : [[id, known] as const];
  });
}

/** Rows that came from the source and have no key that would tell so but their id. */
function ownOnly({ entity }: Translation, rules: readonly ledger.IdRule[]): Sql | undefined {
  const field = entity.serial?.rule === "kept" ? entity.serial.field : undefined;
  const rule = rules.find((each) => each.entity === entity.id);
  if (field === undefined || rule === undefined || !entity.key.includes(field)) return undefined;
  return `c.${identifier(field)} not between ${rule.low} and ${rule.high}`;
}

async function returnDag(
  target: Session,
  dagJob: DagJob & ReturnOptions & { readonly xid: string },
): Promise<DagDelta> {
  const { job, snapshot, dag, dagRun, forwardRules, xid } = dagJob;
  const leftOut = await unfinishedRuns(snapshot.holder, dagRun, dag);
  const exceptions = { ...dagJob.ids.exceptions, dag_run: await pairsOfRuns(dagJob, target) };
  const ids = { ...dagJob.ids, exceptions };
  const rows = new RowCopier({ job, snapshot, selection: { dags: [dag], leftOut, without: [] }, dagRun, ids });
  await rows.loadMaps();
  const changes = (translation: Translation): readonly ChangedRows[] => {
    const from = tableOf(translation.entity, job.sourceSide.release)?.from;
    const canonical = ownOnly(translation, forwardRules);
    return [{ name: "changed", source: changedSince(from, xid), ...(canonical === undefined ? {} : { canonical }) }];
  };
  const sum = await mergeHistory(target, { rows, snapshot, dag, changes });
  return { dag, ...sum, openRuns: leftOut.map((run) => run.run_id) };
}

/** Looks up what the deltas on the way back share. The source gets a ledger of its own, which `complete` removes. */
export async function openReturnDeltas(job: CopyJob, options: ReturnOptions): Promise<ReturnDeltas> {
  await using first = await openReadSnapshot(job.source);
  await using target = await job.target.session();
  await ledger.createLedger(target);
  const ids = await settleIds(job, first, target);
  const dagRun = dagRunOf(job, dagRunEntity);
  await new RowCopier({ job, snapshot: first, selection: { leftOut: [], without: [] }, dagRun, ids }).checkTypes();
  return {
    bring: async (dag, xid) => {
      await using snapshot = await openReadSnapshot(job.source);
      await using session = await job.target.session();
      return await session.transaction(() => returnDag(session, { job, snapshot, dag, dagRun, ids, xid, ...options }));
    },
  };
}
