import { type ComputedRun, nextRun } from "../../airflow/timetables/next-run.ts";
import { underSwitches } from "../../airflow/timetables/read-timetable.ts";
import { effectiveSwitches, type Switches } from "../../airflow/timetables/rules.ts";
import { scheduledRunId } from "../../airflow/timetables/run-id.ts";
import { tickChain, ticksBetween } from "../../airflow/timetables/ticks.ts";
import type { DataInterval, DueRun, Micros, Restriction, Timetable } from "../../airflow/timetables/timetable.ts";
import type { Release } from "../../domain/release.ts";

/**
 * How a run continues the source's newest: directly; directly, with another logical date than the source would give it; a tick that was already
 * run; with ticks left out; under an id that is taken, which ends the target's scheduler; not at all; unknown.
 */
export type Verdict =
  | "follows"
  | "label-shift"
  | "repeats"
  | "skips"
  | "id-collision"
  | "nothing-due"
  | "not-computable";

/** What a side says of itself, as far as it says it. */
export interface ToldRun {
  readonly logicalDate: Micros;
  readonly interval: DataInterval | null;
  readonly runAfter: Micros | null;
}

export interface PreviewInput {
  readonly dagId: string;
  /** The schedule as the source has it; the target is to have the same DAG file. */
  readonly timetable: Timetable;
  readonly restriction: Restriction;
  readonly source: Release;
  readonly target: Release;
  /** The interval of the source's newest scheduled or backfill run; null without one. */
  readonly newest: DataInterval | null;
  /** Whether a run with the id is, or will be, among the imported ones. */
  readonly hasRunId: (runId: string) => boolean;
  /** When the target's scheduler is to see the DAG unpaused. */
  readonly now: Micros;
  /** What the target says, after the import and a parse: null for nothing due; undefined where it was not asked. */
  readonly told?: ToldRun | null;
}

/** What will happen on the target with one setting of its interval switches. */
export interface Prediction {
  readonly switches: Switches;
  readonly next: ComputedRun;
  /** The id it will get; null where nothing is due or known. */
  readonly runId: string | null;
  readonly verdict: Verdict;
  /** Ticks that nobody will run, at most a screenful, and how many there are in all (Infinity: more than a million). */
  readonly skipped: readonly Micros[];
  readonly skippedCount: number;
}

export interface Preview {
  readonly dagId: string;
  readonly newest: DataInterval | null;
  /** Under both settings of the two switches, which go together: data intervals on, then off. */
  readonly predictions: readonly [withIntervals: Prediction, withoutIntervals: Prediction];
  /** What the source itself would run next. */
  readonly onSource: ComputedRun;
  /** Which prediction the target's own words hold for: each, as in `predictions`; null where it was not asked. */
  readonly told: ToldRun | null;
  readonly matches: readonly [boolean, boolean] | null;
}

const ON: Switches = { cronDataIntervals: true, deltaDataIntervals: true };
const OFF: Switches = { cronDataIntervals: false, deltaDataIntervals: false };
const SCREENFUL = 20;
const MOST_SKIPPED = 1_000_000;

/** The run that the target will create for a DAG on unpausing, before anything is switched. Pure: asks nobody. */
export function previewDag(input: PreviewInput): Preview {
  const predictions = [predict(input, ON), predict(input, OFF)] as const;
  const { timetable, restriction, newest, now } = input;
  const { told } = input;
  return {
    dagId: input.dagId,
    newest,
    predictions,
    onSource: nextRun(timetable, { release: input.source, lastAutomated: newest, restriction, now }),
    told: told ?? null,
    matches: told === undefined ? null : [isAsTold(predictions[0].next, told), isAsTold(predictions[1].next, told)],
  };
}

function predict(input: PreviewInput, switches: Switches): Prediction {
  const { restriction, newest, now, target } = input;
  const timetable = underSwitches(input.timetable, effectiveSwitches(target, switches));
  const next = nextRun(timetable, { release: target, lastAutomated: newest, restriction, now });
  const nothing = { switches, next, runId: null, skipped: [], skippedCount: 0 };
  if (next.state !== "due") return { ...nothing, verdict: next.state };
  const runId = scheduledRunId(next.run, target);
  const { skipped, skippedCount } = leftOut(input, next.run);
  const verdict = judge(input, { timetable, run: next.run, runId, skippedCount });
  return { switches, next, runId, verdict, skipped, skippedCount };
}

interface Judged {
  readonly timetable: Timetable;
  readonly run: DueRun;
  readonly runId: string;
  readonly skippedCount: number;
}

function judge(input: PreviewInput, { timetable, run, runId, skippedCount }: Judged): Verdict {
  if (input.hasRunId(runId)) return "id-collision";
  if (input.newest !== null && run.runAfter <= input.newest.end) return "repeats";
  if (skippedCount > 0) return "skips";
  return isLabelShifted(input.timetable, timetable) ? "label-shift" : "follows";
}

/** Ticks between the newest run and the predicted one. */
function leftOut(
  { newest, timetable, source }: PreviewInput,
  run: DueRun,
): { skipped: readonly Micros[]; skippedCount: number } {
  const chain = tickChain(timetable, source);
  if (newest === null || !chain.ok) return { skipped: [], skippedCount: 0 };
  const skipped: Micros[] = [];
  let skippedCount = 0;
  for (const tick of ticksBetween(chain, newest.end, run.runAfter)) {
    if (tick === run.runAfter) break;
    if (skippedCount >= MOST_SKIPPED) return { skipped, skippedCount: Number.POSITIVE_INFINITY };
    skippedCount += 1;
    if (skipped.length < SCREENFUL) skipped.push(tick);
  }
  return { skipped, skippedCount };
}

/** Switches that make another class of the schedule give a tick another logical date. */
export function isLabelShifted(source: Timetable, target: Timetable): boolean {
  if (source.kind === "assets-or-time" && target.kind === "assets-or-time")
    return isLabelShifted(source.time, target.time);
  return source.kind !== target.kind;
}

/** A prediction holds where everything that the side says is as predicted. */
function isAsTold(next: ComputedRun, told: ToldRun | null): boolean {
  if (told === null || next.state !== "due") return told === null && next.state === "nothing-due";
  const { logicalDate, interval, runAfter } = next.run;
  return (
    told.logicalDate === logicalDate &&
    (told.interval === null || (told.interval.start === interval.start && told.interval.end === interval.end)) &&
    (told.runAfter === null || told.runAfter === runAfter)
  );
}
