import type { Release } from "../../domain/release.ts";
import { formatMicros } from "./micros.ts";
import { rulesOf } from "./rules.ts";
import type { DueRun } from "./timetable.ts";

/**
 * The id that a scheduler of the release gives a scheduled run: by its logical date before 3.2, by the moment it runs after from then on. Two
 * runs of one DAG with one id end the scheduler process. Source: `Timetable.generate_run_id`, and what
 * `SchedulerJobRunner` gives it.
 */
export function scheduledRunId(
  { logicalDate, runAfter }: Pick<DueRun, "logicalDate" | "runAfter">,
  release: Release,
): string {
  const { runId } = rulesOf(release);
  return `scheduled__${formatMicros(runId === "run-after" ? runAfter : logicalDate)}`;
}
