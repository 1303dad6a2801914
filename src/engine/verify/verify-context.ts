import { randomBytes } from "node:crypto";
import type { CodecContext } from "../../airflow/codecs/index.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { Entity, Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { allLanes, dagRunOf, type Lanes, type MigrationJob, rowsOf } from "../copy/copy-context.ts";
import { readIdMaps } from "../copy/id-rules.ts";
import { hasLedger, idRulesOf, readIdRules, readLeftOut, readRun } from "../copy/ledger.ts";
import { openReadSnapshot, type ReadSnapshot } from "../copy/snapshot.ts";
import { nothingSelected } from "../plan/problems.ts";
import { type LeftOutRun, type ResolvedSelection, resolveSelection } from "../select/filters.ts";
import { isSelected, selectsEverything } from "../select/match.ts";
import type { IdRules, Translation } from "../translate/translate.ts";
import { chooseHashes, type RowShape } from "./digest-sql.ts";
import * as problems from "./problems.ts";
import type { Ownership } from "./row-queries.ts";

/** What is compared. Only read: of the target, too, nothing is changed. */
export interface VerifyJob extends MigrationJob {
  /** Patterns of DAGs: only what belongs to them is compared. Default: everything in the selection. */
  readonly dags?: readonly string[];
  /** Rows told in detail, of each entity. Default 100. */
  readonly maxDifferences?: number;
  readonly now: () => Date;
  /** Aborted: VERIFY_STOPPED is thrown at the next chunk. */
  readonly signal?: AbortSignal;
}

/** Rows of an entity that are told in detail, where the job does not say how many. */
export const DETAILED_DIFFERENCES = 100;

/** Between two chunks: throws VERIFY_STOPPED when the job was aborted. */
export function throwIfStopped(job: VerifyJob, entity: Entity): void {
  if (job.signal?.aborted === true) throw problems.verifyStopped({ entity: entity.title });
}

/** What all entities share: one read snapshot of the source, the selection and the ids as the copy had them. */
export interface VerifyContext extends AsyncDisposable {
  readonly job: VerifyJob;
  readonly snapshot: ReadSnapshot;
  readonly resolved: ResolvedSelection;
  readonly lanes: readonly Lanes[];
  readonly owned: Ownership;
  readonly hashes: RowShape["hashes"];
  /** With the key for digests of secrets: random, and gone with this context. */
  readonly codecs: CodecContext;
  /** The predicate over `c` of an entity's rows that are compared. */
  readonly rowsOf: (translation: Translation) => Sql | undefined;
}

/** The newest run that copied from this source. */
async function lastRun(target: Session, job: VerifyJob): Promise<string> {
  const rows = (await hasLedger(target))
    ? await target.query<{ id: string }>(
        "select id::text from crosswind.run where source = $1 order by started_at desc limit 1",
        [job.identity],
      )
    : [];
  const [run] = rows;
  if (run === undefined) throw problems.nothingCopied({ target: job.target.label });
  return run.id;
}

/** Runs that were left out then have not been copied since; runs that are not finished now may change while we look. */
function union(then: readonly LeftOutRun[], now: readonly LeftOutRun[]): readonly LeftOutRun[] {
  const all = new Map([...now, ...then].map((run) => [JSON.stringify([run.dag_id, run.run_id]), run]));
  return [...all.values()];
}

async function resolve(job: VerifyJob, source: Session, target: Session): Promise<ResolvedSelection> {
  const { selection, dags: patterns } = job;
  const isNarrowed = patterns !== undefined && !selectsEverything(patterns);
  const narrowed = isNarrowed ? { ...selection, dags: patterns } : selection;
  const resolved = await resolveSelection(source, dagRunOf(job, dagRunEntity), { selection: narrowed, now: job.now() });
  const dags = resolved.dags?.filter((dag) => isSelected(dag, selection.dags));
  if (dags?.length === 0) throw nothingSelected({ patterns: narrowed.dags.join(" ") });
  const run = await lastRun(target, job);
  const leftOut = union(await readLeftOut(target, run), resolved.leftOut);
  const kept = (await readRun(target, run))?.selection?.kept;
  return { ...resolved, ...(dags === undefined ? {} : { dags }), leftOut, ...(kept === undefined ? {} : { kept }) };
}

/** Ids as the copy gave them: offsets from the ledger, and by key where the target numbers the rows itself. */
async function readIds(job: VerifyJob, source: Session, target: Session): Promise<IdRules> {
  const rules = await readIdRules(target, job.identity);
  return idRulesOf(rules, await readIdMaps(source, target, job));
}

async function fill(job: VerifyJob, snapshot: ReadSnapshot): Promise<Omit<VerifyContext, typeof Symbol.asyncDispose>> {
  await using target = await job.target.session();
  const source = snapshot.holder;
  const resolved = await resolve(job, source, target);
  const rules = new Map((await readIdRules(target, job.identity)).map((rule) => [rule.entity, rule]));
  const lanes = allLanes(job, await readIds(job, source, target));
  const dagRun = dagRunOf(job, dagRunEntity);
  const { targetSide } = job;
  return {
    job,
    snapshot,
    resolved,
    // What belongs to no DAG says nothing about one.
    lanes: [...lanes.values()].filter(
      (each) => job.dags === undefined || each.optimistic.entity.scope.of !== "environment",
    ),
    owned: {
      rules,
      resolved,
      dagRun: dagRunOf({ sourceSide: targetSide }, dagRunEntity),
      target: targetSide,
    },
    hashes: await chooseHashes([source, target]),
    codecs: { ...job.codecs, digestKey: job.codecs.digestKey ?? randomBytes(32) },
    rowsOf: (translation) => rowsOf(translation, resolved, { dagRun, targetRelease: targetSide.release }),
  };
}

/** Opens the read snapshot and settles what is compared. Throws VERIFY_NOTHING_COPIED and NOTHING_SELECTED. */
export async function openVerify(job: VerifyJob): Promise<VerifyContext> {
  const snapshot = await openReadSnapshot(job.source);
  try {
    const filled = await fill(job, snapshot);
    return { ...filled, [Symbol.asyncDispose]: () => snapshot[Symbol.asyncDispose]() };
  } catch (error) {
    await snapshot[Symbol.asyncDispose]();
    throw error;
  }
}
