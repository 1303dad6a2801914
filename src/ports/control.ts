import type { Release } from "../domain/release.ts";

/**
 * A moment in UTC with microseconds, as `2025-01-01T00:00:00.000000Z`: always 27 characters, so that their order as texts is their order in
 * time. A JavaScript `Date` would cut the microseconds off, which are part of a logical date.
 */
export type Instant = string;

/** Which of the calls of {@link Control} a door can do for its release. What is false throws CONTROL_LACKS_ABILITY when called. */
export interface ControlAbilities {
  /** False where a parse can only be waited for (before 2.10). */
  readonly requestParse: boolean;
  /** Whether `nextRun` of a DAG is known; where false it is always null. 1.10 has none, and the API before 2.3 does not tell it. */
  readonly readNextRun: boolean;
  /** Whether the time zone of a DAG can be known. The API from 2.8 on tells the environment's default in its place. */
  readonly readTimezone: boolean;
  /** Whether `endDate` and `isPausedUponCreation` of a DAG can be known; where false they are always null. The API before 2.3 does not tell them. */
  readonly readAllSettings: boolean;
  /** The two settings of data intervals. A door that can may still be refused them, and then says `unknown`. */
  readonly readIntervalSwitches: boolean;
  readonly readPendingEvents: boolean;
  /** The type that an added run gets; false: it can not be added. A `manual` run does not count for the next run. */
  readonly addRun: "scheduled" | "backfill" | "manual" | false;
  readonly closeRun: boolean;
  readonly writeNextRun: boolean;
}

/** The run that the scheduler creates next, as the environment itself says. */
export interface NextRun {
  readonly logicalDate: Instant;
  /** Null where the release keeps no intervals (2.0, 2.1), or the timetable has none. */
  readonly intervalStart: Instant | null;
  readonly intervalEnd: Instant | null;
  /** From when it may be created; null while the DAG is at `maxActiveRuns` (up to 3.1), and then the other three may be old. */
  readonly createAfter: Instant | null;
}

/** A DAG as its environment has it now. */
export interface DagState {
  readonly dagId: string;
  readonly isPaused: boolean;
  /** Parsed, and its file still has it: `is_active` in 2.x, not `is_stale` in 3.x. */
  readonly isActive: boolean;
  readonly hasImportErrors: boolean;
  /** Null where it was never parsed, or the door does not tell (REST before 2.3). */
  readonly lastParsedAt: Instant | null;
  /** Null where nothing is due, or the door does not tell: see {@link ControlAbilities.readNextRun}. */
  readonly nextRun: NextRun | null;
  /** What people read: the cron expression or preset, `1 day, 0:00:00` for a delta, the timetable's own summary; null for none. */
  readonly schedule: string | null;
  readonly maxActiveRuns: number | null;
  readonly maxActiveTasks: number | null;
  readonly file: string;
  readonly owners: readonly string[];
  readonly tags: readonly string[];
}

/** What of a DAG is in its code, as the newest parse saw it. */
export interface DagSettings {
  readonly dagId: string;
  /** IANA name or `+05:30`; null where it is not known: see {@link ControlAbilities.readTimezone}, and 1.10 without serialized DAGs. */
  readonly timezone: string | null;
  readonly catchup: boolean | null;
  readonly startDate: Instant | null;
  readonly endDate: Instant | null;
  /** Null: it follows `dags_are_paused_at_creation`, or is not known: see {@link ControlAbilities.readAllSettings}. */
  readonly isPausedUponCreation: boolean | null;
  /** The timetable as Airflow serialized it (`serialized_dag`); undefined where the door does not tell. */
  readonly timetable?: unknown;
}

/** A DAG run. */
export interface RunReading {
  readonly dagId: string;
  readonly runId: string;
  /** `scheduled`, `backfill`, `manual`, `asset_triggered` (also for 2.x's `dataset_triggered`), ... */
  readonly runType: string;
  readonly state: string;
  /** `execution_date` before 2.2; null for asset-triggered and some manual runs of 3.x. */
  readonly logicalDate: Instant | null;
  /** Null where the release or the API does not tell (before 2.4), or the run has none. */
  readonly intervalStart: Instant | null;
  readonly intervalEnd: Instant | null;
  /** 3.x only; else null. */
  readonly runAfter: Instant | null;
  readonly startedAt: Instant | null;
  readonly endedAt: Instant | null;
}

/** A task instance; `state` is null before it has one. `mapIndex` is -1 for one that is not mapped. */
export interface TaskReading {
  readonly taskId: string;
  readonly mapIndex: number;
  readonly state: string | null;
  readonly tryNumber: number;
  readonly startedAt: Instant | null;
}

export interface ImportErrorReading {
  readonly file: string;
  readonly at: Instant | null;
  /** The stack trace. */
  readonly text: string;
}

export interface HealthReading {
  /** The newest heartbeat of a scheduler; null where none has run. */
  readonly schedulerHeartbeatAt: Instant | null;
  /** The environment's clock while this was read. It is cut to `resolutionMs`: the true time is up to that much later. */
  readonly clock: { readonly at: Instant; readonly resolutionMs: number };
}

/**
 * `[scheduler] create_cron_data_intervals` and `create_delta_data_intervals`. They exist from 2.9 and from 2.11 on; before there was no other way:
 * true.
 */
export interface IntervalSwitches {
  readonly cron: boolean | "unknown";
  readonly delta: boolean | "unknown";
}

/**
 * Something that adds runs of the past: a backfill of 3.x, or an open run of type backfill before. A backfill stays active for some time after
 * its last run has ended, until a scheduler looks.
 */
export interface ActiveBackfill {
  /** The backfill's number, or the run's id. */
  readonly id: string;
  readonly from: Instant | null;
  readonly to: Instant | null;
}

/** An event that a DAG waiting for several datasets (assets) has already seen. */
export interface PendingEvent {
  readonly uri: string;
  readonly createdAt: Instant;
}

/** Which runs of a DAG, and in which order: by `runAfter` in 3.x, by logical date before. */
export interface RunsWanted {
  readonly dagId: string;
  /** Default: all. */
  readonly states?: readonly string[];
  /** Only runs whose logical date (for a run without one: `runAfter`) is this or later. */
  readonly since?: Instant;
  /** Default `newest-first`. */
  readonly order?: "newest-first" | "oldest-first";
  /** Default: all. */
  readonly limit?: number;
}

/** Which task instances of a run. `states`: without those that have none yet. Default: all. */
export interface TasksWanted {
  readonly dagId: string;
  readonly runId: string;
  readonly states?: readonly string[];
}

/** A scheduled run that never was. */
export interface MissedRun {
  readonly dagId: string;
  readonly logicalDate: Instant;
  readonly intervalStart: Instant;
  readonly intervalEnd: Instant;
}

/** A call that a switch makes. */
export type ControlStep = "pause" | "unpause" | "request-parse" | "end-date";

/**
 * Control of one Airflow environment: reads and switches its DAGs through one door.
 *
 * Every call takes a signal, and has the door's own deadline besides: what it writes is written before `deadlineMs` is over, or not by it. An
 * aborted signal is thrown as its reason. Reads are repeated after failures that pass; of the writes only those that do the same when done
 * twice, and never an unpause: whether it may be sent has to be asked again.
 *
 * Throws CONTROL_UNAUTHORISED, CONTROL_FORBIDDEN, CONTROL_RATE_LIMITED, CONTROL_SERVER_FAILED, CONTROL_UNREACHABLE, CONTROL_TLS,
 * CONTROL_REDIRECTED, CONTROL_DEADLINE, CONTROL_NOT_FOUND, CONTROL_REFUSED, CONTROL_ANSWER_UNEXPECTED, CONTROL_LACKS_ABILITY, and the database's
 * problems where it is the door.
 */
export interface Control extends AsyncDisposable {
  /** For people: which side, the release, the door and where it is; never a secret. */
  readonly label: string;
  /** As the environment says; through the database the release that stands for its schema. */
  readonly release: Release;
  readonly can: ControlAbilities;
  readonly deadlineMs: number;

  /** What is sent for a step, for people: the request, or the statement. Sends nothing. */
  explain(step: ControlStep, dagId: string): string;
  /** All DAGs, or those of these ids that are there, by id. */
  readDags(signal: AbortSignal, dagIds?: readonly string[]): Promise<readonly DagState[]>;
  readDagSettings(dagId: string, signal: AbortSignal): Promise<DagSettings>;
  /**
   * Pauses or unpauses, and gives what was read back; doing it twice does nothing more. Another value than the wanted one means that it does
   * not show yet: an API of 3.0 answers before it has committed.
   */
  setPaused(dagId: string, isPaused: boolean, signal: AbortSignal): Promise<boolean>;
  /** Has the DAG's file parsed before others; done when the request is noted, not when it was parsed. */
  requestParse(dagId: string, signal: AbortSignal): Promise<void>;
  readRuns(wanted: RunsWanted, signal: AbortSignal): Promise<readonly RunReading[]>;
  readTasks(wanted: TasksWanted, signal: AbortSignal): Promise<readonly TaskReading[]>;
  readImportErrors(signal: AbortSignal): Promise<readonly ImportErrorReading[]>;
  readHealth(signal: AbortSignal): Promise<HealthReading>;
  readIntervalSwitches(signal: AbortSignal): Promise<IntervalSwitches>;
  readActiveBackfills(dagId: string, signal: AbortSignal): Promise<readonly ActiveBackfill[]>;
  readPendingEvents(dagId: string, signal: AbortSignal): Promise<readonly PendingEvent[]>;
  /** Adds the run of a missed interval, for the scheduler to do; the DAG may be paused meanwhile. Throws CONTROL_REFUSED where it is there already. */
  addRun(run: MissedRun, signal: AbortSignal): Promise<void>;
  /**
   * Ends an open run as failed, and gives the state that was read back; a run that has ended stays as it is. Only for a run whose tasks have
   * ended: one that ends later may set the run to running again (seen in 2.2.5).
   */
  closeRun(dagId: string, runId: string, signal: AbortSignal): Promise<string>;
  /** Writes the four columns that the scheduler works from; the next parse computes them again. */
  writeNextRun(dagId: string, nextRun: NextRun, signal: AbortSignal): Promise<void>;
  /**
   * Leaves end dates by DAG id in the Airflow variable that the drain policy reads, in place of those that are there; none: it is removed. Whoever
   * asks for a parse then sees them in the next run, where the environment has the policy.
   */
  writeEndDates(endDates: Readonly<Record<string, Instant>>, signal: AbortSignal): Promise<void>;
}
