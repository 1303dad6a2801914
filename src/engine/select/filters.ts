import type { Entity, Sql } from "../../domain/entity.ts";
import type { RunKey, SettledConflicts } from "../../domain/plan.ts";
import { isInRange } from "../../domain/release.ts";
import type { Selection } from "../../domain/selection.ts";
import type { Session } from "../../ports/database.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { isName, isSelected, selectsEverything } from "./match.ts";

/** A run that stays behind for now, and why. */
export interface LeftOutRun {
  readonly dag_id: string;
  readonly run_id: string;
  readonly state: string | null;
}

/**
 * The selection, resolved once at the start of a run against the source, so that every later statement uses the same rows.
 *
 * `dags`: the selected DAG ids, undefined for all. `since`: per DAG (or `*` for all) the oldest date that is taken.
 */
export interface ResolvedSelection {
  readonly dags?: readonly string[];
  readonly since?: Readonly<Record<string, string>>;
  readonly leftOut: readonly LeftOutRun[];
  readonly without: readonly string[];
  /** DAGs that are live on the target: its rows of them count. */
  readonly ownedByTarget?: readonly string[];
  /** Objects and runs that stay as they are on the target, as the plan settled it. */
  readonly kept?: KeptOnTarget;
}

export type KeptOnTarget = Pick<SettledConflicts, "keptObjects" | "keptRuns">;

/** Between the values of a key; Airflow takes no control characters in names. */
const KEY_SEPARATOR = "\u001f";

/** States that a run does not leave any more. */
const FINISHED = "('success', 'failed')";

/** A text as an SQL literal; COPY takes no parameters. */
export function literal(text: string): Sql {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

export function list(values: readonly string[]): Sql {
  return `(array[${values.map(literal).join(",")}]::text[])`;
}

/** The canonical runs: `dag_id`, `run_id`, `state`, `at` (logical date, else when it was due). */
function runs(dagRun: Translation): Sql {
  return `(select c.dag_id, c.run_id, c.state, coalesce(c.logical_date, c.run_after) as at from (${dagRun.canonical()}) c)`;
}

async function resolveDags(
  session: Session,
  dagRun: Translation,
  selection: Selection,
): Promise<readonly string[] | undefined> {
  if (selectsEverything(selection.dags)) return undefined;
  // Names are looked up by index: a wave compares its DAGs one by one, and reads no table whole for each.
  const found = selection.dags.every(isName)
    ? `select n.dag_id from unnest(${list(selection.dags)}) n (dag_id) where exists (select from dag d where d.dag_id = n.dag_id)
       or exists (select from ${runs(dagRun)} r where r.dag_id = n.dag_id)`
    : `select dag_id from dag union select distinct dag_id from ${runs(dagRun)} r where dag_id is not null`;
  const rows = await session.query<{ dag_id: string }>(found);
  return rows
    .map((row) => row.dag_id)
    .filter((id) => isSelected(id, selection.dags))
    .sort();
}

async function resolveSince(session: Session, dagRun: Translation, selection: Selection, now: Date) {
  const { history } = selection;
  if (history.kind === "all") return undefined;
  if (history.kind === "days") return { "*": new Date(now.getTime() - history.days * 86_400_000).toISOString() };
  const rows = await session.query<{ dag_id: string; at: string }>(
    `select dag_id, min(at)::text as at from (
       select dag_id, at, row_number() over (partition by dag_id order by at desc, run_id desc) as n
       from ${runs(dagRun)} r where state in ${FINISHED}) numbered
     where n <= $1 group by dag_id`,
    [history.runs],
  );
  return Object.fromEntries(rows.map((row) => [row.dag_id, row.at]));
}

/** Runs of one DAG that are not finished: by index, however many others there are. */
export async function unfinishedRuns(
  session: Session,
  dagRun: Translation,
  dag: string,
): Promise<readonly LeftOutRun[]> {
  return await session.query<LeftOutRun & Record<string, unknown>>(
    `select dag_id, run_id, state from ${runs(dagRun)} r
     where dag_id = ${literal(dag)} and (state is null or state not in ${FINISHED}) order by 2`,
  );
}

/** Resolves a selection in the session's snapshot. `now` is the moment that a history of days is counted from. */
export async function resolveSelection(
  session: Session,
  dagRun: Translation,
  { selection, now }: { readonly selection: Selection; readonly now: Date },
): Promise<ResolvedSelection> {
  const dags = await resolveDags(session, dagRun, selection);
  const since = await resolveSince(session, dagRun, selection, now);
  const inDags = dags === undefined ? "true" : `dag_id = any ${list(dags)}`;
  const leftOut = await session.query<LeftOutRun & Record<string, unknown>>(
    `select dag_id, run_id, state from ${runs(dagRun)} r where ${inDags} and (state is null or state not in ${FINISHED}) order by 1, 2`,
  );
  return {
    ...(dags === undefined ? {} : { dags }),
    ...(since === undefined ? {} : { since }),
    leftOut,
    without: selection.without,
  };
}

/** A named reason for rows of an entity to stay behind: a predicate over the canonical row `c` that is never NULL. */
export interface Exclusion {
  readonly reason: string;
  readonly where: Sql;
}

function sinceFilter(since: Readonly<Record<string, string>>, row: { dag: Sql; at: Sql }): Sql {
  const everywhere = since["*"];
  if (everywhere !== undefined) return `${row.at} >= ${literal(everywhere)}::timestamptz`;
  const pairs = Object.entries(since).map(([dag, at]) => `(${literal(dag)}, ${literal(at)}::timestamptz)`);
  if (pairs.length === 0) return "false";
  return `exists (select 1 from (values ${pairs.join(",")}) o(dag_id, at) where o.dag_id = ${row.dag} and ${row.at} >= o.at)`;
}

function runExclusions(
  scope: Extract<Entity["scope"], { of: "run" }>,
  resolved: ResolvedSelection,
  dagRun: Translation,
): readonly Exclusion[] {
  const [dag, run] = [`c.${scope.dag}`, `c.${scope.run}`];
  const exclusions: Exclusion[] = [];
  const oneOf = (keys: readonly RunKey[]) => {
    const pairs = keys.map((each) => `(${literal(each.dag_id)}, ${literal(each.run_id)})`).join(",");
    return `exists (select 1 from (values ${pairs}) u(dag_id, run_id) where u.dag_id = ${dag} and u.run_id = ${run})`;
  };
  if (resolved.leftOut.length > 0) {
    exclusions.push({
      reason: "of runs that are not finished: they come with the cutover",
      where: oneOf(resolved.leftOut),
    });
  }
  const named = namesWithout(resolved.without, dagRun.entity.id);
  if (named.length > 0) {
    const isNamed = `concat_ws(' · ', ${dag}, ${run}) = any ${list(named)} or ${dag} = any ${list(named)}`;
    exclusions.push({ reason: "of runs that are left out by name", where: `coalesce(${isNamed}, false)` });
  }
  const kept = resolved.kept?.keptRuns ?? [];
  if (kept.length > 0) exclusions.push({ reason: "of runs that stay as they are on the target", where: oneOf(kept) });
  if (resolved.since !== undefined) {
    const inRun = `exists (select 1 from ${runs(dagRun)} h where h.dag_id = ${dag} and h.run_id = ${run} and ${sinceFilter(resolved.since, { dag: "h.dag_id", at: "h.at" })})`;
    const older =
      scope.runIsOptional !== true
        ? inRun
        : `case when ${run} is not null then ${inRun} else ${freeRowFilter(resolved.since, scope)} end`;
    exclusions.push({ reason: "older than the selected history", where: `not coalesce(${older}, false)` });
  }
  return exclusions;
}

/** Rows that belong to no run follow a history of days by their own time; a history of runs does not reach them. */
function freeRowFilter(since: Readonly<Record<string, string>>, scope: Extract<Entity["scope"], { of: "run" }>): Sql {
  const everywhere = since["*"];
  return everywhere === undefined || scope.time === undefined
    ? "true"
    : `c.${scope.time} >= ${literal(everywhere)}::timestamptz`;
}

function dagExclusion(dag: Sql, dags: readonly string[]): Exclusion {
  return { reason: "of DAGs that are not selected", where: `not coalesce(${dag} = any ${list(dags)}, false)` };
}

/**
 * Rows that link others by their key stay behind with these: where one is left out by name or not on the target, and where the first of
 * them, whose link it is, stays as it is there.
 */
function parentExclusions({ entity, key, columns }: Translation, resolved: ResolvedSelection): readonly Exclusion[] {
  if (entity.load !== "merge") return [];
  return columns.flatMap(({ field: name, expression }) => {
    const { references: parent, namedBy } = entity.fields[name] ?? {};
    if (parent === undefined || !key.includes(name)) return [];
    const without = namesWithout(resolved.without, parent);
    const ofKept = name === key[0] ? (resolved.kept?.keptObjects[parent] ?? []) : [];
    const kept = ofKept.map((each) => (JSON.parse(each) as readonly string[]).join(KEY_SEPARATOR));
    const ofNames = (names: readonly string[], reason: string): readonly Exclusion[] =>
      namedBy === undefined || names.length === 0
        ? []
        : [{ reason, where: `coalesce(c.${identifier(namedBy)}::text = any ${list(names)}, false)` }];
    return [
      ...ofNames(without, `their ${parent} is left out by name`),
      ...ofNames(kept, `their ${parent} stays as it is on the target`),
      { reason: `the target has no ${parent} that they could belong to`, where: `(${expression}) is null` },
    ];
  });
}

/** What a row of the entity is called where it is left out by name: the first field of its key, and what plans and verifications call it. */
export function namesOf({ entity, key }: Translation): readonly Sql[] {
  const whole = (fields: readonly string[]) =>
    fields.length === 1
      ? `c.${identifier(fields[0] as string)}::text`
      : `concat_ws(' · ', ${fields.map((field) => `c.${identifier(field)}::text`).join(", ")})`;
  return [...new Set([whole([entity.key[0] as string]), whole(key), whole(entity.label ?? key)])];
}

/** The names that a selection leaves out of an entity. */
export function namesWithout(without: readonly string[], entity: string): readonly string[] {
  return without.filter((each) => each.startsWith(`${entity}:`)).map((each) => each.slice(entity.length + 1));
}

/** Why rows of an entity stay behind, each with its predicate. A row is copied when none of them holds. */
export function exclusionsFor(
  translation: Translation,
  resolved: ResolvedSelection,
  context: { readonly dagRun: Translation; readonly targetRelease: string },
): readonly Exclusion[] {
  const { entity } = translation;
  const exclusions: Exclusion[] = [];
  for (const each of entity.leave ?? []) {
    if (isInRange(context.targetRelease, each.to))
      exclusions.push({ reason: each.reason, where: `coalesce(${each.where}, false)` });
  }
  const named = namesWithout(resolved.without, entity.id);
  if (named.length > 0) {
    const isNamed = namesOf(translation).map((name) => `coalesce(${name} = any ${list(named)}, false)`);
    exclusions.push({ reason: "left out by name", where: `(${isNamed.join(" or ")})` });
  }
  const kept = resolved.kept?.keptObjects[entity.id] ?? [];
  if (kept.length > 0) {
    const key = translation.columns
      .filter(({ field }) => translation.key.includes(field))
      .map(({ field }) => `coalesce(c.${identifier(field)}::text, '')`)
      .join(", ");
    const keys = kept.map((each) => literal((JSON.parse(each) as readonly string[]).join(KEY_SEPARATOR)));
    exclusions.push({
      reason: "stay as they are on the target",
      where: `concat_ws(${literal(KEY_SEPARATOR)}, ${key}) = any (array[${keys.join(",")}]::text[])`,
    });
  }
  exclusions.push(...parentExclusions(translation, resolved));
  if (entity.scope.of !== "environment" && resolved.dags !== undefined)
    exclusions.push(dagExclusion(`c.${entity.scope.dag}`, resolved.dags));
  const owned = resolved.ownedByTarget ?? [];
  if (entity.scope.of !== "environment" && owned.length > 0) {
    const isOwned = `c.${entity.scope.dag} = any ${list(owned)}`;
    exclusions.push({ reason: "of DAGs that are live on the target", where: `coalesce(${isOwned}, false)` });
  }
  if (entity.scope.of === "run") exclusions.push(...runExclusions(entity.scope, resolved, context.dagRun));
  return exclusions;
}

/** The predicate over `c` of the rows that are copied; undefined where all are. */
export function copiedRows(exclusions: readonly Exclusion[]): Sql | undefined {
  return exclusions.length === 0 ? undefined : exclusions.map((each) => `not (${each.where})`).join(" and ");
}
