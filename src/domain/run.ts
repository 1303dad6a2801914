import type { Limits } from "./config.ts";
import type { Plan } from "./plan.ts";
import type { ProblemReport } from "./problem.ts";

/**
 * How far a run is: `waiting` for somebody to carry it, `running`, `interrupted` (its carrier is gone, a worker or the next apply goes on),
 * `stopped` by hand, `failed` with a problem, `cancelled`, `done`.
 */
export type RunState = "waiting" | "running" | "interrupted" | "stopped" | "failed" | "cancelled" | "done";

/** What somebody asked for last: that a run goes on, pauses, or ends for good. */
export type RunOrder = "run" | "pause" | "cancel";

/** A process that takes part in a run. */
export interface RunExecutor {
  readonly id: string;
  readonly role: "carrier" | "worker";
  readonly who: string;
  readonly host: string;
  readonly pid: number;
  /** False: it ended or gave no sign of life, and its work is about to be done by others. */
  readonly isAlive: boolean;
}

/** A run as the state database has it: who began it, when, what it does, and what became of it. */
export interface RunRecord {
  readonly id: string;
  readonly plan: Plan;
  /** Version of airflow-crosswind that began it. */
  readonly version: string;
  readonly who: string;
  readonly host: string;
  /** ISO times. */
  readonly begunAt: string;
  readonly endedAt: string | null;
  readonly state: RunState;
  readonly wanted: RunOrder;
  readonly limits: { readonly source: Limits; readonly target: Limits };
  /** The carrier's present life, which workers join; null before it is ready. */
  readonly life: RunLife | null;
  readonly result: unknown;
  readonly problem: ProblemReport | null;
  readonly executors: readonly RunExecutor[];
}

/** What another process needs to do chunks of a run: which life of it, its read snapshot, and how history goes in. */
export interface RunLife {
  readonly life: number;
  readonly readSnapshot: string;
  readonly wayIn: "direct" | "merge";
}

/** One line of the audit trail. */
export interface AuditEntry {
  readonly at: string;
  readonly who: string;
  readonly host: string;
  readonly run: string | null;
  readonly what: string;
  readonly detail: unknown;
}
