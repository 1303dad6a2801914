import { z } from "zod";
import type { Instant, RunReading, TaskReading } from "../../ports/control.ts";
import { instant, maybeInstant } from "./instant.ts";

const anyRun = {
  dag_id: z.string(),
  dag_run_id: z.string(),
  state: z.string(),
  logical_date: maybeInstant,
  start_date: maybeInstant,
  end_date: maybeInstant,
};

/** What the id of a run begins with, in releases that do not tell its type otherwise (airflow/utils/types.py, `DagRunType.from_run_id`). */
function typeOfId(runId: string): string {
  return /^(scheduled|backfill|dataset_triggered)__/.exec(runId)?.[1] ?? "manual";
}

/** Names of today for those of 2.x. */
const RUN_TYPES: Readonly<Record<string, string>> = { dataset_triggered: "asset_triggered" };

interface RunParts {
  readonly runType: string;
  readonly intervalStart: Instant | null;
  readonly intervalEnd: Instant | null;
  readonly runAfter: Instant | null;
}

function readingOf(run: z.infer<z.ZodObject<typeof anyRun>>, parts: RunParts): RunReading {
  return {
    dagId: run.dag_id,
    runId: run.dag_run_id,
    state: run.state,
    logicalDate: run.logical_date,
    startedAt: run.start_date,
    endedAt: run.end_date,
    ...parts,
    runType: RUN_TYPES[parts.runType] ?? parts.runType,
  };
}

const NO_INTERVAL = { intervalStart: null, intervalEnd: null, runAfter: null };

const { logical_date: _later, ...runOf20 } = anyRun;

/** API v1 before 2.2: the date under its old name. */
export const runBefore22 = z
  .object({ ...runOf20, execution_date: instant })
  .transform((run) =>
    readingOf({ ...run, logical_date: run.execution_date }, { runType: typeOfId(run.dag_run_id), ...NO_INTERVAL }),
  );

/** API v1 before 2.4: neither type nor interval. */
export const runBefore24 = z
  .object(anyRun)
  .transform((run) => readingOf(run, { runType: typeOfId(run.dag_run_id), ...NO_INTERVAL }));

const typedRun = {
  ...anyRun,
  run_type: z.string(),
  data_interval_start: maybeInstant,
  data_interval_end: maybeInstant,
};

/** API v1 from 2.4 on. */
export const runV1 = z.object(typedRun).transform((run) =>
  readingOf(run, {
    runType: run.run_type,
    intervalStart: run.data_interval_start,
    intervalEnd: run.data_interval_end,
    runAfter: null,
  }),
);

/** API v2. */
export const runV2 = z.object({ ...typedRun, run_after: instant }).transform((run) =>
  readingOf(run, {
    runType: run.run_type,
    intervalStart: run.data_interval_start,
    intervalEnd: run.data_interval_end,
    runAfter: run.run_after,
  }),
);

/** A task instance, all releases; nothing is mapped where there is no `map_index`. */
export const task = z
  .object({
    task_id: z.string(),
    map_index: z.int().default(-1),
    state: z.string().nullable(),
    try_number: z.int(),
    start_date: maybeInstant,
  })
  .transform(
    (each): TaskReading => ({
      taskId: each.task_id,
      mapIndex: each.map_index,
      // Releases before 2.7 write "none".
      state: each.state === "none" ? null : each.state,
      tryNumber: each.try_number,
      startedAt: each.start_date,
    }),
  );
