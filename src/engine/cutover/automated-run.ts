import type { DataInterval, Micros } from "../../airflow/timetables/timetable.ts";

/** Which side of the migration. */
export type SideName = "source" | "target";

/** A run of type `scheduled` or `backfill`, as one side's database has it. */
export interface AutomatedRun {
  readonly side: SideName;
  readonly runId: string;
  readonly logicalDate: Micros;
  /** Null where the release keeps none (before 2.2) or it was never filled in. */
  readonly interval: DataInterval | null;
  readonly state: string;
  readonly startedAt: Micros | null;
  /** How often it was cleared; 0 before 2.8, which does not count. */
  readonly cleared: number | null;
}
