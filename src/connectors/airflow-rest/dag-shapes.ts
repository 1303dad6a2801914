import { z } from "zod";
import type { DagSettings, DagState, Instant, NextRun } from "../../ports/control.ts";
import { deltaText } from "../schedule-text.ts";
import { maybeInstant } from "./instant.ts";

/** A DAG as a list or a single answer tells it; before 2.3 whether its file can be imported has to be looked up, by its `file`. */
export type ListedDag = Omit<DagState, "hasImportErrors"> & {
  readonly hasImportErrors: boolean | undefined;
  /** What a parse is requested with. */
  readonly fileToken: string;
};

interface NextRunParts {
  readonly date: Instant | null;
  readonly start: Instant | null;
  readonly end: Instant | null;
  readonly after: Instant | null;
}

function nextRunOf({ date, start, end, after }: NextRunParts): NextRun | null {
  return date === null ? null : { logicalDate: date, intervalStart: start, intervalEnd: end, createAfter: after };
}

/** `__type` by airflow/api_connexion/schemas/common_schema.py. */
const scheduleInterval = z
  .discriminatedUnion("__type", [
    z.object({ __type: z.literal("CronExpression"), value: z.string() }),
    z.object({ __type: z.literal("TimeDelta"), days: z.int(), seconds: z.int(), microseconds: z.int() }),
    z.looseObject({ __type: z.literal("RelativeDelta") }),
  ])
  .nullable()
  .transform((value) => {
    if (value === null) return null;
    if (value.__type === "CronExpression") return value.value;
    return value.__type === "TimeDelta" ? deltaText(value) : JSON.stringify(value);
  });

const named = z.array(z.object({ name: z.string() })).nullish();

/** What all releases tell of a DAG. Unknown keys are left alone: each release adds some. */
const anyDag = {
  dag_id: z.string(),
  is_paused: z.boolean(),
  fileloc: z.string(),
  file_token: z.string(),
  owners: z.array(z.string()),
  tags: named,
};

function stateOf(dag: z.infer<z.ZodObject<typeof anyDag>>) {
  return {
    dagId: dag.dag_id,
    isPaused: dag.is_paused,
    file: dag.fileloc,
    fileToken: dag.file_token,
    owners: dag.owners.map((each) => each.trim()).filter((each) => each !== ""),
    tags: (dag.tags ?? []).map((each) => each.name).toSorted(),
  };
}

/** API v1 before 2.3: neither the next run nor the time of the last parse. */
export const dagBefore23 = z
  .object({ ...anyDag, is_active: z.boolean().nullable(), schedule_interval: scheduleInterval })
  .transform(
    (dag): ListedDag => ({
      ...stateOf(dag),
      isActive: dag.is_active === true,
      hasImportErrors: undefined,
      lastParsedAt: null,
      nextRun: null,
      schedule: dag.schedule_interval,
      maxActiveRuns: null,
      maxActiveTasks: null,
    }),
  );

const parsedDag = {
  ...anyDag,
  has_import_errors: z.boolean().nullable(),
  last_parsed_time: maybeInstant,
  max_active_runs: z.int().nullable(),
  max_active_tasks: z.int().nullable(),
  next_dagrun_data_interval_start: maybeInstant,
  next_dagrun_data_interval_end: maybeInstant,
};

function parsedStateOf(dag: z.infer<z.ZodObject<typeof parsedDag>>) {
  return {
    ...stateOf(dag),
    hasImportErrors: dag.has_import_errors === true,
    lastParsedAt: dag.last_parsed_time,
    maxActiveRuns: dag.max_active_runs,
    maxActiveTasks: dag.max_active_tasks,
  };
}

/** API v1 from 2.3 on. */
export const dagV1 = z
  .object({
    ...parsedDag,
    is_active: z.boolean().nullable(),
    schedule_interval: scheduleInterval,
    next_dagrun: maybeInstant,
    next_dagrun_create_after: maybeInstant,
  })
  .transform(
    (dag): ListedDag => ({
      ...parsedStateOf(dag),
      isActive: dag.is_active === true,
      schedule: dag.schedule_interval,
      nextRun: nextRunOf({
        date: dag.next_dagrun,
        start: dag.next_dagrun_data_interval_start,
        end: dag.next_dagrun_data_interval_end,
        after: dag.next_dagrun_create_after,
      }),
    }),
  );

/** API v2. */
export const dagV2 = z
  .object({
    ...parsedDag,
    is_stale: z.boolean(),
    timetable_summary: z.string().nullable(),
    next_dagrun_logical_date: maybeInstant,
    next_dagrun_run_after: maybeInstant,
  })
  .transform(
    (dag): ListedDag => ({
      ...parsedStateOf(dag),
      isActive: !dag.is_stale,
      // What a DAG without a schedule has there.
      schedule: dag.timetable_summary === "None" ? null : dag.timetable_summary,
      nextRun: nextRunOf({
        date: dag.next_dagrun_logical_date,
        start: dag.next_dagrun_data_interval_start,
        end: dag.next_dagrun_data_interval_end,
        after: dag.next_dagrun_run_after,
      }),
    }),
  );

/** Releases before 2.3 write a zone as `Timezone('UTC')`. */
const zone = z
  .string()
  .nullable()
  .transform((text) => (text === null ? null : (/^Timezone\('(.+)'\)$/.exec(text)?.[1] ?? text)));

const anyDetails = { dag_id: z.string(), timezone: zone, catchup: z.boolean(), start_date: maybeInstant };

function settingsOf(dag: z.infer<z.ZodObject<typeof anyDetails>>) {
  return { dagId: dag.dag_id, timezone: dag.timezone, catchup: dag.catchup, startDate: dag.start_date };
}

/** The details of a DAG before 2.3. */
export const detailsBefore23 = z
  .object(anyDetails)
  .transform((dag): DagSettings => ({ ...settingsOf(dag), endDate: null, isPausedUponCreation: null }));

/** The details of a DAG, v1 from 2.3 on and v2. */
export const details = z
  .object({ ...anyDetails, end_date: maybeInstant, is_paused_upon_creation: z.boolean().nullable() })
  .transform(
    (dag): DagSettings => ({
      ...settingsOf(dag),
      endDate: dag.end_date,
      isPausedUponCreation: dag.is_paused_upon_creation,
    }),
  );

/**
 * The details of a DAG from 2.8 on: they are built on the row of the table `dag`, whose class answers with the environment's default time zone
 * (airflow/models/dag.py, `DagModel.timezone`; seen in 2.10.5, 3.0.6 and 3.3.2), so that of the DAG is not known.
 */
export const detailsFrom28 = details.transform((settings): DagSettings => ({ ...settings, timezone: null }));
