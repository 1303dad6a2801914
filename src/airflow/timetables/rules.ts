import { isInRange, type Range, type Release } from "../../domain/release.ts";

/** Airflow's settings `[scheduler] create_cron_data_intervals` and `create_delta_data_intervals`. */
export interface Switches {
  readonly cronDataIntervals: boolean;
  readonly deltaDataIntervals: boolean;
}

/** In what the releases' schedules differ. */
export interface TimetableRules {
  readonly in: Range;
  /** False where a scheduler works the next run out in another way than by data intervals: then only ticks are computed. */
  readonly hasIntervals: boolean;
  /**
   * Which crons count elapsed time over a clock change: all that do not name one hour and one minute, or those of every hour. The others go by
   * the clock on the wall.
   */
  readonly elapsedOverClockChange: "not-one-time" | "every-hour";
  /**
   * From where delta timetables without catchup look one step back: from now; from now rounded down to a multiple of the delta since 1970; the same,
   * but a delta of months is counted from the start date.
   */
  readonly deltasSkipFrom: "now" | "multiple" | "multiple-or-start";
  /** The end of the newest interval is brought to a tick, as the schedule may have changed. */
  readonly alignsNewest: boolean;
  /** Which newest runs a changed schedule steps past, that it would give again: none, those of trigger timetables, or all. */
  readonly stepsPastNewest: "never" | "zero-length" | "always";
  /** Which timetables start now in a DAG without start date; the others never do. */
  readonly startsWithoutStartDate: { readonly trigger: boolean; readonly once: boolean; readonly continuous: boolean };
  /** A continuous DAG whose newest run ends in the future begins again at its start date, as long as that run was. */
  readonly continuousRestarts: boolean;
  /** The DAG ends with its last task that has an end date, or only where every task has one. */
  readonly latest: "any-task" | "every-task";
  /** What a DAG that says nothing has. */
  readonly catchup: boolean;
  /** What an environment that sets nothing has; before the settings there were, data intervals. */
  readonly switches: Switches;
  /** What follows the type in a scheduled run's id. */
  readonly runId: "logical-date" | "run-after";
}

/** The settings a release obeys, for strings and for deltas; null: data intervals always. */
interface Obeys {
  readonly cron: keyof Switches | null;
  readonly delta: keyof Switches | null;
}

interface RulesRow extends TimetableRules {
  readonly obeys: Obeys;
}

const INTERVALS: Switches = { cronDataIntervals: true, deltaDataIntervals: true };

/** Each row says what is new in it; sources: airflow.timetables and airflow.models.dag of the first release of each row. */
const BEFORE_2_2 = {
  in: "<2.2",
  hasIntervals: false,
  elapsedOverClockChange: "not-one-time",
  deltasSkipFrom: "now",
  alignsNewest: false,
  stepsPastNewest: "never",
  startsWithoutStartDate: { trigger: false, once: false, continuous: false },
  continuousRestarts: false,
  latest: "any-task",
  catchup: true,
  switches: INTERVALS,
  obeys: { cron: null, delta: null },
  runId: "logical-date",
} as const satisfies RulesRow;

const FROM_2_2 = { ...BEFORE_2_2, in: ">=2.2 <2.3", hasIntervals: true } as const satisfies RulesRow;
const FROM_2_3 = { ...FROM_2_2, in: ">=2.3 <2.4", latest: "every-task" } as const satisfies RulesRow;
const FROM_2_4 = { ...FROM_2_3, in: ">=2.4 <2.8", alignsNewest: true } as const satisfies RulesRow;
const FROM_2_8 = {
  ...FROM_2_4,
  in: ">=2.8 <2.9",
  elapsedOverClockChange: "every-hour",
  deltasSkipFrom: "multiple",
} as const satisfies RulesRow;
const FROM_2_9 = {
  ...FROM_2_8,
  in: ">=2.9 <3.0",
  obeys: { cron: "cronDataIntervals", delta: null },
} as const satisfies RulesRow;
const FROM_3_0 = {
  ...FROM_2_9,
  in: ">=3.0 <3.1",
  startsWithoutStartDate: { trigger: true, once: false, continuous: false },
  continuousRestarts: true,
  catchup: false,
  switches: { cronDataIntervals: false, deltaDataIntervals: false },
  // There is a setting for deltas, and nothing reads it: `_create_timetable` of the task SDK asks for that of crons.
  obeys: { cron: "cronDataIntervals", delta: "cronDataIntervals" },
} as const satisfies RulesRow;
const FROM_3_1 = {
  ...FROM_3_0,
  in: ">=3.1 <3.2",
  startsWithoutStartDate: { trigger: true, once: true, continuous: false },
} as const satisfies RulesRow;
const FROM_3_2 = {
  ...FROM_3_1,
  in: ">=3.2 <3.2.2",
  startsWithoutStartDate: { trigger: true, once: true, continuous: true },
  // Before, `_create_dag_runs` of the scheduler hands the logical date over as `run_after`.
  runId: "run-after",
} as const satisfies RulesRow;
const FROM_3_2_2 = { ...FROM_3_2, in: ">=3.2.2 <3.3.1", stepsPastNewest: "zero-length" } as const satisfies RulesRow;
const FROM_3_3_1 = {
  ...FROM_3_2_2,
  in: ">=3.3.1 <3.3.2",
  deltasSkipFrom: "multiple-or-start",
} as const satisfies RulesRow;
const FROM_3_3_2 = { ...FROM_3_3_1, in: ">=3.3.2", stepsPastNewest: "always" } as const satisfies RulesRow;

const ROWS: readonly RulesRow[] = [
  BEFORE_2_2,
  FROM_2_2,
  FROM_2_3,
  FROM_2_4,
  FROM_2_8,
  FROM_2_9,
  FROM_3_0,
  FROM_3_1,
  FROM_3_2,
  FROM_3_2_2,
  FROM_3_3_1,
  FROM_3_3_2,
];

/** The rules of a release. Throws a plain Error where no row covers it: a bug of this file. */
export function rulesOf(release: Release): TimetableRules {
  return rowOf(release);
}

function rowOf(release: Release): RulesRow {
  const row = ROWS.find((each) => isInRange(release, each.in));
  if (row === undefined) throw new Error(`no rules of timetables for ${release}`);
  return row;
}

/** What an environment's settings come to: a release that does not know one makes data intervals. */
export function effectiveSwitches(release: Release, set: Switches | undefined): Switches {
  const { obeys, switches } = rowOf(release);
  const given = set ?? switches;
  return {
    cronDataIntervals: obeys.cron === null || given[obeys.cron],
    deltaDataIntervals: obeys.delta === null || given[obeys.delta],
  };
}
