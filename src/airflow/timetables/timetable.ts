/**
 * A moment as microseconds since 1970-01-01 UTC: what Airflow and Postgres can tell apart. Exact as a number until the year 2255.
 */
export type Micros = number;

/** The time zone of a schedule: an IANA name, or a fixed offset in seconds east of UTC (Airflow serialises both so). */
export type Zone = string | number;

/** A step of a schedule. Calendar units move the date in UTC (as dateutil's relativedelta does), the rest is elapsed time. */
export interface Delta {
  readonly months: number;
  readonly days: number;
  /** Microseconds. */
  readonly elapsed: number;
}

/** From `start` up to and excluding `end`. A trigger timetable's interval has no length. */
export interface DataInterval {
  readonly start: Micros;
  readonly end: Micros;
}

/**
 * When a cron trigger timetable of a DAG without start date runs first: at the newest tick (true), there if it is at most so many microseconds
 * ago, or there if it is at most 10 % of the gap between ticks ago (false, which Airflow takes for its None).
 */
export type RunImmediately = boolean | { readonly within: number };

/** What a cron trigger timetable consists of; `interval` is how far before its end a run's data interval begins. */
interface CronTriggerParts {
  readonly zone: Zone;
  readonly interval: Delta;
  readonly runImmediately: RunImmediately;
}

/**
 * A schedule as an Airflow keeps it in `serialized_dag`. Every kind that any release serialises is told apart; what is no class of Airflow's own is
 * `custom` and is never computed.
 */
export type Timetable =
  | { readonly kind: "cron-interval"; readonly expression: string; readonly zone: Zone }
  | ({ readonly kind: "cron-trigger"; readonly expression: string } & CronTriggerParts)
  | ({ readonly kind: "cron-triggers"; readonly expressions: readonly string[] } & CronTriggerParts)
  | { readonly kind: "delta-interval"; readonly delta: Delta }
  | { readonly kind: "delta-trigger"; readonly delta: Delta; readonly interval: Delta }
  | { readonly kind: "once" }
  | { readonly kind: "continuous" }
  | { readonly kind: "manual" }
  | { readonly kind: "assets" }
  | { readonly kind: "assets-or-time"; readonly time: Timetable }
  | { readonly kind: "events"; readonly dates: readonly Micros[] }
  | { readonly kind: "custom"; readonly className: string };

/** Every kind of timetable. */
export type TimetableKind = Timetable["kind"];

/** What bounds a schedule: dates of the DAG and its tasks, and whether missed intervals are made up for. */
export interface Restriction {
  readonly earliest: Micros | null;
  readonly latest: Micros | null;
  readonly catchup: boolean;
}

/** A run that a scheduler will create: `DagRunInfo` of airflow.timetables.base. */
export interface DueRun {
  readonly logicalDate: Micros;
  readonly interval: DataInterval;
  /** The scheduler creates it from this moment on. */
  readonly runAfter: Micros;
}
