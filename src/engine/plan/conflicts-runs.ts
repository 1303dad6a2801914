import type { Finding } from "../../domain/finding.ts";
import type { RunKey } from "../../domain/plan.ts";
import type { ConflictChoice } from "../../domain/selection.ts";
import { type OwnRun, readOwnRuns } from "../copy/own-runs.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { enumerate, type PlanContext, subjectsOf } from "./plan-job.ts";

/** Runs on the target that are not ours, of DAGs that have runs on the source. */
async function foreignRuns(context: PlanContext): Promise<readonly OwnRun[]> {
  const { targetSession, sourceSession, target, source } = context;
  const there = await targetSession.query<{ dag_id: string }>("select distinct dag_id from dag_run");
  if (there.length === 0) return [];
  const known = await sourceSession.query<{ dag_id: string }>(
    "select distinct dag_id from dag_run where dag_id = any($1)",
    [there.map((row) => row.dag_id)],
  );
  const dags = known.map((row) => row.dag_id);
  return await readOwnRuns(targetSession, { side: target.side, source: source.facts.identity, dags });
}

/** A run of the source whose id or logical date, both unique within a DAG, a run of the target has. */
export interface RunInTheWay extends RunKey {
  /** True: the ids are equal; false: only the dates are. */
  readonly sameId: boolean;
}

export async function runsInTheWay(context: PlanContext): Promise<readonly RunInTheWay[]> {
  const translation = context.translations.get("dag_run");
  const foreign = translation === undefined ? [] : await foreignRuns(context);
  if (translation === undefined || foreign.length === 0) return [];
  const { dagRun, resolved, target } = context;
  const where =
    copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release })) ?? "true";
  return await context.sourceSession.query<RunInTheWay & Record<string, unknown>>(
    `select c.dag_id, c.run_id, bool_and(t.run_id = c.run_id) as "sameId"
     from (${translation.canonical()}) c
     join unnest($1::text[], $2::text[], $3::timestamptz[]) t(dag_id, run_id, at)
       on t.dag_id = c.dag_id and (t.run_id = c.run_id or t.at = c.logical_date)
     where ${where} group by 1, 2 order by 1, 2`,
    [foreign.map((row) => row.dag_id), foreign.map((row) => row.run_id), foreign.map((row) => row.at)],
  );
}

/** What is said about runs in the way, by what becomes of them. */
export function runsFindings(found: readonly RunInTheWay[], choice: ConflictChoice): readonly Finding[] {
  const finding = (runs: readonly RunKey[], rest: Pick<Finding, "severity" | "next"> & { readonly end: string }) => {
    const names = runs.map((run) => `${run.dag_id} · ${run.run_id}`);
    const { severity, next, end } = rest;
    return {
      code: "TARGET_HAS_RUNS",
      severity,
      entity: "dag_run",
      what: `the target has ${names.length} DAG runs of its own with the id or the logical date of a run to copy (${enumerate(names)})${end}`,
      next,
      ...subjectsOf(names),
    };
  };
  const leaveOut = "or leave their DAGs out: select.dags in crosswind.yaml";
  if (choice === "keep-target")
    return [finding(found, { severity: "note", end: ": they stay, with everything that hangs on them", next: [] })];
  if (choice === "stop") {
    const next = [
      "delete these runs on the target",
      "or keep them: crosswind plan --on-conflict dag_run=keep-target; or take the source's: --on-conflict dag_run=replace",
      leaveOut,
    ];
    return [finding(found, { severity: "blocker", end: "", next })];
  }
  const [same, other] = [found.filter((run) => run.sameId), found.filter((run) => !run.sameId)];
  const end = ": their task instances, XComs and all else that hangs on them there is deleted and becomes the source's";
  return [
    ...(same.length === 0 ? [] : [finding(same, { severity: "warning", end, next: [] })]),
    ...(other.length === 0
      ? []
      : [
          finding(other, {
            severity: "blocker",
            end: ": the date is the same and the id is not, so that neither can replace the other",
            next: ["delete these runs on the target", leaveOut],
          }),
        ]),
  ];
}
