import { randomBytes } from "node:crypto";
import type { CodecContext } from "../../airflow/codecs/index.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { allLanes, dagRunOf, type Lanes, type MigrationJob, rowsOf } from "../copy/copy-context.ts";
import { readTargetOwnedDags } from "../copy/dag-owners.ts";
import { readIdMaps } from "../copy/id-rules.ts";
import { hasLedger, readLeftOut, readRun } from "../copy/ledger.ts";
import { idRulesOf, readIdRules } from "../copy/ledger-ids.ts";
import { openReadSnapshot, type ReadSnapshot } from "../copy/snapshot.ts";
import { nothingSelected } from "../plan/problems.ts";
import { type LeftOutRun, type ResolvedSelection, resolveSelection } from "../select/filters.ts";
import { isSelected, selectsEverything } from "../select/match.ts";
import type { IdRules, Translation } from "../translate/translate.ts";
import { BUCKETS, chooseHashes, type RowShape } from "./digest-sql.ts";
import type { KeptDigests } from "./kept-digests.ts";
import { VerifyLanes } from "./lanes.ts";
import * as problems from "./problems.ts";
import type { Ownership } from "./row-queries.ts";
import { whollyOurs } from "./wholly-ours.ts";

/** What is compared, and whether differences are mended. */
export interface VerifyJob extends MigrationJob {
  /** Patterns of DAGs: only what belongs to them is compared. Default: everything in the selection. */
  readonly dags?: readonly string[];
  /** Rows told in detail, of each entity. Default 100. */
  readonly maxDifferences?: number;
  /** Statements at once, on each side. Default 2. */
  readonly lanes?: number;
  /** Compare that many percent of the rows of history, by whole buckets of keys: others every time. Default: all. */
  readonly samplePercent?: number;
  /**
   * Merge rows that the target lacks or has with other values, and compare again. `deletions`: whether rows of ours that the source does not
   * have are kept and told, or deleted on the target. Default: nothing is written.
   */
  readonly repair?: { readonly deletions: "keep" | "carry" };
  /** What an earlier comparison of the same had read when it was stopped, and where this one keeps what it reads. Default: nothing is kept. */
  readonly kept?: KeptDigests;
  readonly now: () => Date;
  /** Aborted: VERIFY_STOPPED is thrown at the next chunk. */
  readonly signal?: AbortSignal;
}

const USUAL_LANES = 2;

/** Rows of an entity that are told in detail, where the job does not say how many. */
export const DETAILED_DIFFERENCES = 100;

/** What all entities share: one read snapshot of each side, the selection and the ids as the copy had them. */
export interface VerifyContext extends AsyncDisposable {
  readonly job: VerifyJob;
  /** The run of the ledger that brought rows last. */
  readonly run: string;
  readonly snapshot: ReadSnapshot;
  readonly targetSnapshot: ReadSnapshot;
  readonly work: VerifyLanes;
  /** At most so many slices of a table. */
  readonly mostSlices: number;
  /** Buckets of keys that are compared; undefined: all. */
  readonly sampled?: readonly number[];
  readonly resolved: ResolvedSelection;
  readonly ids: IdRules;
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

async function resolve(
  job: VerifyJob,
  { source, target, run }: { readonly source: Session; readonly target: Session; readonly run: string },
): Promise<ResolvedSelection> {
  const { selection, dags: patterns } = job;
  const isNarrowed = patterns !== undefined && !selectsEverything(patterns);
  const narrowed = isNarrowed ? { ...selection, dags: patterns } : selection;
  const resolved = await resolveSelection(source, dagRunOf(job, dagRunEntity), { selection: narrowed, now: job.now() });
  const dags = resolved.dags?.filter((dag) => isSelected(dag, selection.dags));
  if (dags?.length === 0) throw nothingSelected({ patterns: narrowed.dags.join(" ") });
  const inDags = (each: LeftOutRun) => dags?.includes(each.dag_id) !== false;
  const leftOut = union(await readLeftOut(target, run), resolved.leftOut).filter(inDags);
  const kept = (await readRun(target, run))?.selection?.kept;
  return {
    ...resolved,
    ...(dags === undefined ? {} : { dags }),
    leftOut,
    ...(kept === undefined ? {} : { kept }),
    ownedByTarget: await readTargetOwnedDags(target, job.identity),
  };
}

/** Neighbouring buckets, from one that the moment says: each comparison of a share looks at others. */
function sampleOf({ samplePercent: percent, now }: VerifyJob): readonly number[] | undefined {
  if (percent === undefined || percent >= 100) return undefined;
  const from = now().getTime();
  return Array.from({ length: Math.ceil((BUCKETS * percent) / 100) }, (_, index) => (from + index) % BUCKETS);
}

/** Ids as the copy gave them: offsets from the ledger, and by key where the target numbers the rows itself. */
async function readIds(job: VerifyJob, source: Session, target: Session): Promise<IdRules> {
  const rules = await readIdRules(target, job.identity);
  return idRulesOf(rules, await readIdMaps(source, target, job));
}

interface Snapshots {
  readonly source: ReadSnapshot;
  readonly target: ReadSnapshot;
}

type Filled = Omit<VerifyContext, typeof Symbol.asyncDispose>;

async function fill(job: VerifyJob, snapshots: Snapshots): Promise<Filled> {
  const [source, target] = [snapshots.source.holder, snapshots.target.holder];
  const run = await lastRun(target, job);
  const resolved = await resolve(job, { source, target, run });
  const rules = new Map((await readIdRules(target, job.identity)).map((rule) => [rule.entity, rule]));
  const ids = await readIds(job, source, target);
  const { targetSide, lanes: atOnce = USUAL_LANES } = job;
  const sampled = sampleOf(job);
  return {
    job,
    run,
    snapshot: snapshots.source,
    targetSnapshot: snapshots.target,
    work: new VerifyLanes(atOnce, job.signal),
    // More of them make the joins and lists that all rows of a table are held against again and again.
    mostSlices: atOnce,
    ...(sampled === undefined ? {} : { sampled }),
    ids,
    // What belongs to no DAG says nothing about one.
    lanes: [...allLanes(job, ids).values()].filter(
      (each) => job.dags === undefined || each.optimistic.entity.scope.of !== "environment",
    ),
    hashes: await chooseHashes([source, target]),
    codecs: { ...job.codecs, digestKey: job.codecs.digestKey ?? randomBytes(32) },
    ...selecting(job, resolved, {
      rules,
      dagRun: dagRunOf({ sourceSide: targetSide }, dagRunEntity),
      target: targetSide,
      wholly: await whollyOurs(target, rules.get("dag_run")),
    }),
  };
}

/** What depends on which rows are compared. */
function selecting(
  job: VerifyJob,
  resolved: ResolvedSelection,
  owned: Omit<Ownership, "resolved">,
): Pick<VerifyContext, "resolved" | "owned" | "rowsOf"> {
  const dagRun = dagRunOf(job, dagRunEntity);
  return {
    resolved,
    owned: { ...owned, resolved },
    rowsOf: (translation) => rowsOf(translation, resolved, { dagRun, targetRelease: job.targetSide.release }),
  };
}

/** The same for DAGs that are live on the target, and for what belongs to them alone; undefined where none is. */
export function ofLiveDags(context: VerifyContext): VerifyContext | undefined {
  const { ownedByTarget = [], dags } = context.resolved;
  const live = ownedByTarget.filter((dag) => dags?.includes(dag) !== false);
  if (live.length === 0) return undefined;
  return {
    ...context,
    ...selecting(context.job, { ...context.resolved, dags: live, ownedByTarget: [] }, context.owned),
    lanes: context.lanes.filter((each) => each.optimistic.entity.scope.of !== "environment"),
  };
}

/**
 * Opens a read snapshot of each side and settles what is compared. `source`: a snapshot that is open already, and stays so. Throws
 * VERIFY_NOTHING_COPIED and NOTHING_SELECTED.
 */
export async function openVerify(job: VerifyJob, source?: ReadSnapshot): Promise<VerifyContext> {
  await using resources = new AsyncDisposableStack();
  const snapshots = {
    source: source ?? resources.use(await openReadSnapshot(job.source)),
    target: resources.use(await openReadSnapshot(job.target)),
  };
  const filled = await fill(job, snapshots);
  const opened = resources.move();
  return { ...filled, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
