import type { Finding } from "../../domain/finding.ts";
import type { SettledConflicts } from "../../domain/plan.ts";
import type { ConflictChoice } from "../../domain/selection.ts";
import { objectsFinding, objectsInTheWay } from "./conflicts-objects.ts";
import { runsFindings, runsInTheWay } from "./conflicts-runs.ts";
import { takenFinding, valuesTaken } from "./conflicts-unique.ts";
import type { PlanContext } from "./plan-job.ts";

/** What both sides have with different values, and what becomes of it. */
export interface Conflicts {
  readonly findings: readonly Finding[];
  readonly settled: SettledConflicts;
}

/** Compares what both sides have, object by object and run by run, and settles it as the selection says. */
export async function settleConflicts(context: PlanContext): Promise<Conflicts> {
  const choiceOf = (entity: string): ConflictChoice => context.job.selection.onConflict[entity] ?? "stop";
  const runs = await runsInTheWay(context);
  const choice = choiceOf("dag_run");
  const findings: Finding[] = runs.length === 0 ? [] : [...runsFindings(runs, choice)];
  const keptObjects: Record<string, readonly string[]> = {};
  const replacedObjects: Record<string, readonly string[]> = {};
  for (const translation of context.translations.values()) {
    const { entity } = translation;
    if (entity.load !== "merge") continue;
    const found = await objectsInTheWay(context, translation);
    const taken = await valuesTaken(context, translation);
    const ofObjects = choiceOf(entity.id);
    if (found.length > 0) findings.push(objectsFinding({ translation, choice: ofObjects, found }));
    if (taken.length > 0) findings.push(takenFinding({ translation, choice: ofObjects, taken }));
    const objects = found.map((each) => each.key);
    const kept = [...new Set([...objects, ...taken.map((each) => each.key)])];
    if (ofObjects === "keep-target" && kept.length > 0) keptObjects[entity.id] = kept;
    if (ofObjects === "replace" && objects.length > 0) replacedObjects[entity.id] = objects;
  }
  const keys = runs.map(({ dag_id, run_id }) => ({ dag_id, run_id }));
  const settled = {
    keptObjects,
    replacedObjects,
    keptRuns: choice === "keep-target" ? keys : [],
    replacedRuns: choice === "replace" ? keys.filter((_, index) => runs[index]?.sameId === true) : [],
  };
  return { findings, settled };
}
