import { parseMicros } from "../../airflow/timetables/micros.ts";
import { nextRun } from "../../airflow/timetables/next-run.ts";
import type { DataInterval, DueRun, Micros } from "../../airflow/timetables/timetable.ts";
import type { AutomatedRun } from "./automated-run.ts";
import type { SideSchedule } from "./continuity.ts";
import type { SwitchState } from "./switch-state.ts";

/** When a DAG was drained or paused on both sides, so that a tick may have passed that nobody ran. */
export interface SwitchWindow {
  readonly from: Micros;
  readonly to: Micros;
}

/** A line of the record, as far as it tells when a DAG was on its way. */
interface StateAt {
  readonly state: SwitchState;
  /** ISO 8601. */
  readonly at: string;
}

const ENDS: readonly SwitchState[] = ["live", "reversed", "restored"];

/** The times in which a DAG was on its way, oldest first. One that is on its way now is none yet. */
export function windowsOf(events: readonly StateAt[]): readonly SwitchWindow[] {
  const windows: SwitchWindow[] = [];
  let from: Micros | undefined;
  for (const [index, { state, at }] of events.entries()) {
    const moment = parseMicros(at);
    if (moment === undefined) continue;
    if (state === "draining") from ??= moment;
    if (!ENDS.includes(state) || from === undefined) continue;
    // Where its rows begin to count is one line, where it was unpaused the next one.
    const following = events[index + 1];
    const unpaused = following?.state === state ? parseMicros(following.at) : undefined;
    windows.push({ from, to: unpaused ?? moment });
    from = undefined;
  }
  return windows;
}

export interface MissedInput {
  /** As the side that owns the DAG now has it: it is the one to run them. */
  readonly schedule: SideSchedule;
  /** The automated runs of both sides, in any order. */
  readonly runs: readonly AutomatedRun[];
  readonly windows: readonly SwitchWindow[];
  /** When the owner makes its next run, as it says itself; null where it says none. */
  readonly next: Micros | null;
}

/** The ticks that nobody ran; or why they can not be told. */
export type Missed =
  | { readonly ok: true; readonly runs: readonly DueRun[] }
  | { readonly ok: false; readonly reason: string };

/** A longer row of ticks is no matter of a switch. */
const MOST_STEPS = 10_000;

/**
 * The runs that were due while a DAG was on its way, which nobody made, and which the owner has gone past: it has made a later one, or says that it
 * will. What is due and not made yet is none of them.
 */
export function missedRuns({ schedule, runs, windows, next }: MissedInput): Missed {
  const ends = runs.flatMap(({ interval }) => (interval === null ? [] : [interval.end]));
  const gonePast = Math.max(...ends, next ?? Number.NEGATIVE_INFINITY);
  const found: DueRun[] = [];
  for (const window of windows) {
    const last = newestBefore(runs, window.from);
    // Nothing ran before: then its first run is the owner's own.
    if (last === undefined) continue;
    const told = walk(schedule, last, Math.min(window.to, gonePast - 1));
    if (!told.ok) return told;
    found.push(...told.runs.filter((run) => run.runAfter >= window.from && !isMade(run, runs)));
  }
  return { ok: true, runs: [...new Map(found.map((run) => [run.runAfter, run])).values()] };
}

function newestBefore(runs: readonly AutomatedRun[], moment: Micros): DataInterval | undefined {
  return runs
    .flatMap(({ interval }) => (interval !== null && interval.end <= moment ? [interval] : []))
    .toSorted((a, b) => b.end - a.end)[0];
}

/** The runs that follow, as a scheduler would make them that leaves none out. */
function walk({ timetable, restriction, release }: SideSchedule, from: DataInterval, until: Micros): Missed {
  const runs: DueRun[] = [];
  let last = from;
  while (runs.length < MOST_STEPS) {
    const due = nextRun(timetable, {
      release,
      lastAutomated: last,
      restriction: { ...restriction, catchup: true },
      now: until,
    });
    if (due.state === "not-computable") return { ok: false, reason: due.reason };
    if (due.state === "nothing-due" || due.run.runAfter > until || due.run.runAfter <= last.end) break;
    runs.push(due.run);
    last = due.run.interval;
  }
  return { ok: true, runs };
}

function isMade({ runAfter, logicalDate }: DueRun, runs: readonly AutomatedRun[]): boolean {
  return runs.some((run) => run.interval?.end === runAfter || run.logicalDate === logicalDate);
}
