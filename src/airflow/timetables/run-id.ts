import type { Release } from "../../domain/release.ts";
import { formatMicros } from "./micros.ts";
import { rulesOf } from "./rules.ts";
import type { DueRun } from "./timetable.ts";

/**
 * The id that a scheduler of the release gives a scheduled run: by its logical date in 2.x and before, by the moment it runs after in 3.x. Two
 * runs of one DAG with one id end the scheduler process. Source: `DagRun.generate_run_id`.
 */
export function scheduledRunId(
  { logicalDate, runAfter }: Pick<DueRun, "logicalDate" | "runAfter">,
  release: Release,
): string {
  const { runId } = rulesOf(release);
  return `scheduled__${formatMicros(runId === "run-after" ? runAfter : logicalDate)}`;
}
