import type { z } from "zod";
import type { Range } from "../../domain/release.ts";
import type { ControlAbilities, DagSettings, IntervalSwitches, MissedRun, RunReading } from "../../ports/control.ts";
import * as dags from "./dag-shapes.ts";
import * as runs from "./run-shapes.ts";

/** Parameters of a query; a list is given once for each. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

/** Where the heads of paths are and what answers look like, for a range of releases. Source: the OpenAPI files in Airflow's packages. */
export interface RestApi {
  readonly in: Range;
  /** Before all paths but that of the token. */
  readonly base: "api/v1" | "api/v2";
  /** Where a user name and a password are changed for a token; undefined: they are sent with each call. */
  readonly token?: string;
  readonly health: string;
  /** Lists DAGs that are gone, too. */
  readonly allDags: Query;
  readonly dag: z.ZodType<dags.ListedDag>;
  readonly details: z.ZodType<DagSettings>;
  readonly run: z.ZodType<RunReading>;
  /** The field that runs are ordered by, and the parameter for the earliest. */
  readonly runOrder: string;
  readonly runsSince: string;
  /** Whether runs can be asked for by state; else they are picked here. */
  readonly filtersRuns: boolean;
  /** States of task instances that it can be asked for; others have never been seen there. Undefined: all. */
  readonly taskStates?: readonly string[];
  /** The options in the section `scheduler` that tell the switches; true before there were any. */
  readonly switches: Readonly<Record<keyof IntervalSwitches, string | true>>;
  readonly backfills: "list" | "runs";
  /** The call that adds a run. */
  readonly addRun?: (run: MissedRun) => { readonly path: readonly string[]; readonly body: unknown };
  readonly can: ControlAbilities;
}

const before22 = {
  in: "<2.2",
  base: "api/v1",
  health: "health",
  allDags: { only_active: "false", order_by: "dag_id" },
  dag: dags.dagBefore23,
  details: dags.detailsBefore23,
  run: runs.runBefore22,
  runOrder: "execution_date",
  runsSince: "execution_date_gte",
  filtersRuns: false,
  taskStates: [
    "success",
    "running",
    "failed",
    "upstream_failed",
    "skipped",
    "up_for_retry",
    "up_for_reschedule",
    "queued",
    "scheduled",
    "removed",
    "deferred",
  ],
  switches: { cron: true, delta: true },
  backfills: "runs",
  can: {
    requestParse: false,
    readNextRun: false,
    readTimezone: true,
    readAllSettings: false,
    readIntervalSwitches: true,
    readPendingEvents: false,
    addRun: false,
    closeRun: false,
    writeNextRun: false,
  },
} as const satisfies RestApi;

const before23 = { ...before22, in: ">=2.2 <2.3", run: runs.runBefore24, can: { ...before22.can, closeRun: true } };

const from23 = {
  ...before23,
  in: ">=2.3 <2.4",
  dag: dags.dagV1,
  details: dags.details,
  can: { ...before23.can, readNextRun: true, readAllSettings: true },
};

const { taskStates: _known, ...from24 } = { ...from23, in: ">=2.4 <2.8", run: runs.runV1, filtersRuns: true };

const from28 = {
  ...from24,
  in: ">=2.8 <2.9",
  details: dags.detailsFrom28,
  can: { ...from24.can, readTimezone: false },
};

const from29 = {
  ...from28,
  in: ">=2.9 <2.10",
  switches: { cron: "create_cron_data_intervals", delta: true },
  // The interval can be given from 2.9 on; before, that of another tick would be made up. The type is always manual.
  addRun: (run: MissedRun) => ({
    path: ["dags", run.dagId, "dagRuns"],
    body: {
      logical_date: run.logicalDate,
      data_interval_start: run.intervalStart,
      data_interval_end: run.intervalEnd,
    },
  }),
  can: { ...from28.can, addRun: "manual" },
} as const satisfies RestApi;

const from210 = { ...from29, in: ">=2.10 <2.11", can: { ...from29.can, requestParse: true } };

const BOTH = { cron: "create_cron_data_intervals", delta: "create_delta_data_intervals" };

const from211 = { ...from210, in: ">=2.11 <3.0", switches: BOTH };

const v2 = {
  in: ">=3.0 <4.0",
  base: "api/v2",
  token: "auth/token",
  health: "monitor/health",
  allDags: { exclude_stale: "false", order_by: "dag_id" },
  dag: dags.dagV2,
  details: dags.detailsFrom28,
  run: runs.runV2,
  runOrder: "run_after",
  runsSince: "run_after_gte",
  filtersRuns: true,
  switches: BOTH,
  backfills: "list",
  // `none`: what is there already is left alone. A DAG whose tasks depend on the past is refused by Airflow (422).
  addRun: (run: MissedRun) => ({
    path: ["backfills"],
    body: {
      dag_id: run.dagId,
      from_date: run.logicalDate,
      to_date: run.logicalDate,
      run_backwards: false,
      dag_run_conf: {},
      reprocess_behavior: "none",
      max_active_runs: 1,
    },
  }),
  can: { ...from210.can, addRun: "backfill" },
} as const satisfies RestApi;

/** Every known version of the API, oldest first. A difference between releases is a field here. */
export const restApis: readonly RestApi[] = [before22, before23, from23, from24, from28, from29, from210, from211, v2];
