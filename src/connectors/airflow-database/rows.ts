import { z } from "zod";
import type { DagState, RunReading, TaskReading } from "../../ports/control.ts";
import type { Row } from "../../ports/database.ts";
import { deltaText } from "../schedule-text.ts";

/** A row of `dagsSql`. */
export interface DagRow extends Row {
  readonly dag_id: string;
  readonly is_paused: boolean;
  readonly is_active: boolean;
  readonly has_import_errors: boolean;
  readonly last_parsed: string | null;
  readonly next_date: string | null;
  readonly next_start: string | null;
  readonly next_end: string | null;
  readonly next_after: string | null;
  readonly schedule: string | null;
  readonly max_active_runs: number | null;
  readonly max_active_tasks: number | null;
  readonly file: string;
  readonly owners: string;
  readonly tags: readonly string[];
}

/** A row of `runsSql`. */
export interface RunRow extends Row {
  readonly dag_id: string;
  readonly run_id: string;
  readonly run_type: string;
  readonly state: string;
  readonly logical_date: string | null;
  readonly interval_start: string | null;
  readonly interval_end: string | null;
  readonly run_after: string | null;
  readonly started: string | null;
  readonly ended: string | null;
}

/** A row of `tasksSql`. */
export interface TaskRow extends Row {
  readonly task_id: string;
  readonly map_index: number;
  readonly state: string | null;
  readonly try_number: number;
  readonly started: string | null;
}

export function dagOf(row: DagRow): DagState {
  return {
    dagId: row.dag_id,
    isPaused: row.is_paused,
    isActive: row.is_active,
    hasImportErrors: row.has_import_errors,
    lastParsedAt: row.last_parsed,
    nextRun:
      row.next_date === null
        ? null
        : {
            logicalDate: row.next_date,
            intervalStart: row.next_start,
            intervalEnd: row.next_end,
            createAfter: row.next_after,
          },
    schedule: scheduleOf(row.schedule),
    maxActiveRuns: row.max_active_runs,
    maxActiveTasks: row.max_active_tasks,
    file: row.file,
    owners: row.owners
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== ""),
    tags: row.tags,
  };
}

export function runOf(row: RunRow): RunReading {
  return {
    dagId: row.dag_id,
    runId: row.run_id,
    runType: row.run_type,
    state: row.state,
    logicalDate: row.logical_date,
    intervalStart: row.interval_start,
    intervalEnd: row.interval_end,
    runAfter: row.run_after,
    startedAt: row.started,
    endedAt: row.ended,
  };
}

export function taskOf(row: TaskRow): TaskReading {
  return {
    taskId: row.task_id,
    mapIndex: row.map_index,
    state: row.state,
    tryNumber: row.try_number,
    startedAt: row.started,
  };
}

/** Source: airflow/utils/sqlalchemy.py, `Interval`, which keeps a delta as its type and arguments. */
const delta = z.object({
  type: z.literal("timedelta"),
  attrs: z.object({ days: z.int(), seconds: z.int(), microseconds: z.int() }),
});

function scheduleOf(text: string | null): string | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (value === null || typeof value === "string") return value;
  const parsed = delta.safeParse(value);
  return parsed.success ? deltaText(parsed.data.attrs) : text;
}
