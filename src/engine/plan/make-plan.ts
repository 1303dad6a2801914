import { randomBytes } from "node:crypto";
import { parseFernetKeys } from "../../airflow/codecs/index.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import { entities } from "../../airflow/entities/index.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import { NO_CONFLICTS, type Plan, type PlannedEntity, type SettledConflicts } from "../../domain/plan.ts";
import { isProblem, Problem } from "../../domain/problem.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Selection } from "../../domain/selection.ts";
import type { Session } from "../../ports/database.ts";
import { allLanes, dagRunOf } from "../copy/copy-context.ts";
import { idRulesBefore, readIdMaps } from "../copy/id-rules.ts";
import { hasLedger } from "../copy/ledger.ts";
import { type ProbedSide, probeSide } from "../probe/probe-side.ts";
import { exclusionsFor, resolveSelection } from "../select/filters.ts";
import { isSelected } from "../select/match.ts";
import { NO_ID_RULES } from "../translate/translate.ts";
import { checkDistinct } from "./checks-distinct.ts";
import { checkFits } from "./checks-fits.ts";
import { checkNeededSettings } from "./checks-needs.ts";
import { checkSecrets, checkTargetKey } from "./checks-objects.ts";
import {
  checkDirection,
  checkIndexes,
  checkLengths,
  checkPaused,
  checkPooler,
  checkServers,
  checkTables,
} from "./checks-target.ts";
import { checkWanted } from "./checks-wanted.ts";
import { checkWithout } from "./checks-without.ts";
import { type Conflicts, settleConflicts } from "./conflicts.ts";
import { countLost, countRows, type LostField } from "./count-rows.ts";
import type { PlanCheck, PlanContext, PlanJob } from "./plan-job.ts";
import * as problems from "./problems.ts";
import { checkRights } from "./rights.ts";

const CHECKS: readonly PlanCheck[] = [
  checkServers,
  checkPooler,
  checkDirection,
  checkSecrets,
  checkTargetKey,
  checkPaused,
  checkWithout,
  checkLengths,
  checkWanted,
  checkNeededSettings,
  checkDistinct,
  checkFits,
  checkTables,
  checkIndexes,
];

/** Rows a second that were measured on two cores, slow and fast: what an estimate is made of (bench/results). */
const ROWS_PER_SECOND = { low: 40_000, high: 100_000 } as const;
const LEAST_SECONDS = 2;

/** The entities of a selection, in copy order. */
export function selectedEntities(patterns: readonly string[]): readonly Entity[] {
  return entities.filter((entity) => isSelected(entity.id, patterns));
}

/** Both sides as they were probed. */
export interface Probed {
  readonly source: ProbedSide;
  readonly target: ProbedSide;
}

/** Probes both sides. Throws SAME_DATABASE. */
export async function probeBoth(
  job: Pick<PlanJob, "source" | "target" | "sourceKeys" | "targetKeys">,
): Promise<Probed> {
  const probing = probeSide(job.target, { name: "target", entities, keys: job.targetKeys });
  // Where both fail, the source's failure is told.
  probing.catch(() => {});
  const source = await probeSide(job.source, { name: "source", entities, keys: job.sourceKeys });
  const target = await probing;
  if (source.facts.identity === target.facts.identity) throw problems.sameDatabase({ label: source.facts.label });
  return { source, target };
}

function keysOf(keys: Secret | undefined, setting: string) {
  if (keys === undefined) return undefined;
  try {
    return parseFernetKeys(keys);
  } catch (error) {
    if (!isProblem(error)) throw error;
    throw new Problem({ ...error.report, what: `${setting}: ${error.report.what}` }, { cause: error });
  }
}

type Sessions = { readonly source: Session; readonly target: Session };

/** Throws CONFLICT_CHOICE_UNKNOWN for what is no kind of content, or follows its run. */
function assertChoicesKnown({ onConflict }: Selection): void {
  const known = entities.filter((each) => each.load === "merge" || each.id === "dag_run").map((each) => each.id);
  const unknown = Object.keys(onConflict).filter((id) => !known.includes(id));
  if (unknown.length === 0) return;
  throw problems.conflictChoiceUnknown({ entities: unknown.join(", "), known: known.join(", ") });
}

/** What is known before the first row is read. Throws NOTHING_SELECTED where the patterns name no kind of content. */
async function openJob(job: PlanJob, known?: Probed) {
  const [sourceKeys, targetKeys] = [
    keysOf(job.sourceKeys, "source.fernetKey"),
    keysOf(job.targetKeys, "target.fernetKey"),
  ];
  const probed = known ?? (await probeBoth(job));
  const selected = selectedEntities(job.selection.entities);
  if (selected.length === 0) {
    throw problems.nothingSelected({ patterns: job.selection.entities.join(" "), what: "kind of content" });
  }
  assertChoicesKnown(job.selection);
  const sides = { sourceSide: probed.source.side, targetSide: probed.target.side, entities: selected };
  const lanes = allLanes(sides, idRulesBefore(sides));
  return {
    job,
    ...probed,
    ...(sourceKeys === undefined ? {} : { sourceKeys }),
    ...(targetKeys === undefined ? {} : { targetKeys }),
    selected,
    dagRun: dagRunOf(sides, dagRunEntity),
    translations: new Map([...lanes].map(([id, each]) => [id, each.optimistic] as const)),
  };
}

async function openContext(opened: Awaited<ReturnType<typeof openJob>>, sessions: Sessions): Promise<PlanContext> {
  const { job, dagRun } = opened;
  const resolved = await resolveSelection(sessions.source, dagRun, { selection: job.selection, now: job.now });
  if (resolved.dags?.length === 0) {
    throw problems.nothingSelected({ patterns: job.selection.dags.join(" ") });
  }
  return {
    ...opened,
    sourceSession: sessions.source,
    targetSession: sessions.target,
    digestKey: randomBytes(32),
    resolved,
    ids: {
      ...NO_ID_RULES,
      maps: await readIdMaps(sessions.source, sessions.target, {
        sourceSide: opened.source.side,
        targetSide: opened.target.side,
      }),
    },
  };
}

interface Look {
  readonly opened: Awaited<ReturnType<typeof openJob>>;
  readonly context?: PlanContext;
  readonly settled?: Conflicts["settled"];
  readonly findings: readonly Finding[];
}

/** Rights first: without them nothing else can be looked at. */
async function look(job: PlanJob, sessions: Sessions, probed?: Probed): Promise<Look> {
  const opened = await openJob(job, probed);
  const missing = await checkRights(opened, sessions);
  if (missing.length > 0) return { opened, findings: missing };
  const unsettled = await openContext(opened, sessions);
  const { settled, findings: conflicts } = await settleConflicts(unsettled);
  const context = { ...unsettled, resolved: { ...unsettled.resolved, kept: settled } };
  const findings: Finding[] = [];
  for (const check of CHECKS) findings.push(...(await check(context)));
  return { opened, context, settled, findings: [...findings, ...conflicts] };
}

async function readCopied(context: PlanContext): Promise<ReadonlyMap<string, number>> {
  if (!(await hasLedger(context.targetSession))) return new Map();
  const rows = await context.targetSession.query<{ entity: string; rows: string }>(
    `select c.entity, sum(c.rows) as rows from crosswind.chunk c join crosswind.run r on r.id = c.run
     where r.source = $1 and r.id = (select id from crosswind.run where source = $1 order by started_at desc limit 1) group by c.entity`,
    [context.source.facts.identity],
  );
  return new Map(rows.map((row) => [row.entity, Number(row.rows)]));
}

function lostFinding(entity: Entity, lost: LostField): Finding {
  return {
    code: "FIELD_LOST",
    severity: "note",
    entity: entity.id,
    what: `${entity.title}: ${lost.rows} values of ${lost.field} stay behind: ${lost.reason}`,
    next: [],
    count: lost.rows,
  };
}

async function countAll(context: PlanContext): Promise<{ entities: PlannedEntity[]; findings: Finding[] }> {
  const copied = await readCopied(context);
  const planned: PlannedEntity[] = [];
  const findings: Finding[] = [];
  for (const entity of context.selected) {
    const translation = context.translations.get(entity.id);
    if (translation === undefined) {
      const lost = await countLost(context.sourceSession, entity, context.source.side);
      if (lost !== undefined) planned.push(lost);
      continue;
    }
    const exclusions = exclusionsFor(translation, context.resolved, {
      dagRun: context.dagRun,
      targetRelease: context.target.side.release,
    });
    const counted = await countRows(context.sourceSession, translation, {
      source: context.source.side,
      target: context.target.side,
      exclusions,
      alreadyThere: copied.get(entity.id) ?? 0,
    });
    planned.push(counted.planned);
    findings.push(...counted.lost.map((lost) => lostFinding(entity, lost)));
  }
  return { entities: planned, findings };
}

function estimate(planned: readonly PlannedEntity[]): Plan["estimate"] {
  const rows = planned.reduce((sum, each) => sum + each.toCopy, 0);
  const bytes = planned.reduce((sum, each) => sum + each.estimatedBytes, 0);
  const seconds = (rate: number) => Math.max(LEAST_SECONDS, Math.ceil(rows / rate));
  return { rows, bytes, seconds: [seconds(ROWS_PER_SECOND.high), seconds(ROWS_PER_SECOND.low)] };
}

/**
 * Reads both sides and lists what an apply would do, with every finding at once. Writes nothing.
 *
 * The source is read in one REPEATABLE READ snapshot, so that the counts agree with each other.
 */
export async function makePlan(job: PlanJob): Promise<Plan> {
  await using source = await job.source.session();
  await using target = await job.target.session();
  return await source.transaction(async () => {
    const { opened, context, settled, findings } = await look(job, { source, target });
    const counted = context === undefined ? { entities: [], findings: [] } : await countAll(context);
    return {
      format: 1,
      id: job.id,
      createdAt: job.now.toISOString(),
      crosswind: job.version,
      source: opened.source.facts,
      target: opened.target.facts,
      selection: job.selection,
      acceptsLoss: job.acceptLoss,
      conflicts: settled ?? NO_CONFLICTS,
      entities: counted.entities,
      findings: [...findings, ...counted.findings],
      estimate: estimate(counted.entities),
    };
  }, "isolation level repeatable read, read only");
}

/**
 * What both sides have with different values now, settled as the job's selection says. Writes nothing. Throws TARGET_KEY_UNFIT, because whoever asks
 * is about to write.
 */
export async function conflictsNow(job: PlanJob, probed: Probed): Promise<Conflicts> {
  await using source = await job.source.session();
  await using target = await job.target.session();
  return await source.transaction(async () => {
    const context = await openContext(await openJob(job, probed), { source, target });
    const [unfit] = await checkTargetKey(context);
    if (unfit !== undefined) throw problems.targetKeyUnfit({ detail: unfit.what, next: unfit.next[0] ?? "" });
    return await settleConflicts(context);
  }, "isolation level repeatable read, read only");
}

/** What of a plan no longer holds: new rows on a working source do not count. */
export function staleParts(plan: Plan, now: Probed): readonly string[] {
  const parts: string[] = [];
  for (const side of ["source", "target"] as const) {
    const [then, today] = [plan[side], now[side].facts];
    if (then.identity !== today.identity)
      parts.push(`the ${side} is another database (${today.label}, not ${then.label})`);
    else if (JSON.stringify(then.heads) !== JSON.stringify(today.heads))
      parts.push(`the ${side} was migrated to Airflow ${today.airflow}`);
    else if (then.columns !== today.columns) parts.push(`columns of the ${side} have changed`);
    if (then.keys !== today.keys) parts.push(`the ${side}'s Fernet key is not the one that was planned with`);
  }
  return parts;
}

/** Conflicts that the plan does not know: nobody has said what becomes of them. */
function conflictsSince(then: SettledConflicts, now: SettledConflicts): number {
  const names = ({ keptObjects, replacedObjects, keptRuns, replacedRuns }: SettledConflicts) => [
    ...Object.entries({ ...keptObjects, ...replacedObjects }).flatMap(([entity, keys]) =>
      keys.map((key) => `${entity} ${key}`),
    ),
    ...[...keptRuns, ...replacedRuns].map((run) => JSON.stringify([run.dag_id, run.run_id])),
  ];
  const known = new Set(names(then));
  return names(now).filter((name) => !known.has(name)).length;
}

interface Held {
  readonly plan: Plan;
  readonly file: string;
  readonly probed: Probed;
  /** Begun: what is in the way now may be our own. */
  readonly isBegun: boolean;
}

/** Refuses a plan that is blocked or no longer holds. Throws PLAN_BLOCKED, PLAN_STALE. */
export async function assertPlanHolds(job: PlanJob, { plan, file, probed, isBegun }: Held): Promise<void> {
  const blockers = plan.findings.filter((finding) => finding.severity === "blocker");
  if (blockers[0] !== undefined) {
    throw problems.planBlocked({ file, count: blockers.length, first: `${blockers[0].code}, ${blockers[0].what}` });
  }
  const stale = staleParts(plan, probed);
  if (stale.length > 0) throw problems.planStale({ file, changes: stale.join("; ") });
  if (isBegun) return;
  await using source = await job.source.session();
  await using target = await job.target.session();
  const { findings, settled = NO_CONFLICTS } = await source.transaction(
    () => look(job, { source, target }, probed),
    "isolation level repeatable read, read only",
  );
  const blocker = findings.find((finding) => finding.severity === "blocker");
  if (blocker !== undefined) throw problems.planStale({ file, changes: `${blocker.code}, ${blocker.what}` });
  const added = conflictsSince(plan.conflicts, settled);
  if (added > 0) throw problems.planStale({ file, changes: `${added} rows are in the way that were not` });
}
