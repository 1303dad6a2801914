import { parseMicros } from "../../airflow/timetables/micros.ts";
import type { DueRun, Micros } from "../../airflow/timetables/timetable.ts";
import { isProblem } from "../../domain/problem.ts";
import type { Control, Instant, MissedRun } from "../../ports/control.ts";
import type { SideName } from "./automated-run.ts";
import { ownerAt } from "./continuity.ts";
import type { CutoverLedger, RecordedEvent } from "./cutover-ledger.ts";
import { missedRuns, windowsOf } from "./missed.ts";
import { readAutomatedRuns } from "./read-automated-runs.ts";
import { type ContinuitySide, ownersOf, readSchedules } from "./read-continuity.ts";
import { type DagSwitch, isHalfDone } from "./switch-state.ts";

/** The runs of a DAG that nobody made, because they were due while it was on its way. */
export interface DagMissed {
  readonly dagId: string;
  /** The side that would run them. */
  readonly owner: SideName;
  /** Oldest first. */
  readonly runs: readonly MissedRun[];
  /** Why they can not be told, or not be added; undefined where they can. */
  readonly reason?: string;
}

export interface ReadMissed {
  readonly source: ContinuitySide & { readonly control: Control };
  readonly target: ContinuitySide & { readonly control: Control };
  readonly switches: readonly DagSwitch[];
  /** Oldest first. */
  readonly record: readonly RecordedEvent[];
  readonly since: Micros;
  readonly now: Micros;
  readonly isWanted: (dagId: string) => boolean;
  readonly signal: AbortSignal;
}

/** Reads what DAGs that were switched have missed; those that missed nothing are left out. Throws the problems of `Control` and `Session`. */
export async function readMissed(input: ReadMissed): Promise<readonly DagMissed[]> {
  const schedules = { source: await readSchedules(input.source), target: await readSchedules(input.target) };
  const found: DagMissed[] = [];
  // One that was paused before is paused now: nobody has left anything out.
  for (const kept of input.switches.filter(({ dagId, wasPaused }) => !wasPaused && input.isWanted(dagId))) {
    const missed = await readOne(input, kept, schedules);
    if (missed.runs.length > 0 || missed.reason !== undefined) found.push(missed);
  }
  return found;
}

async function readOne(
  input: ReadMissed,
  kept: DagSwitch,
  schedules: Readonly<Record<SideName, Awaited<ReturnType<typeof readSchedules>>>>,
): Promise<DagMissed> {
  const { dagId } = kept;
  const record = input.record.filter((event) => event.dagId === dagId);
  const owner = ownerAt(ownersOf(record, input.since), input.now);
  if (isHalfDone(kept)) return { dagId, owner, runs: [], reason: "it is on its way: finish that first" };
  const schedule = schedules[owner].get(dagId);
  if (schedule === undefined) return { dagId, owner, runs: [], reason: `the ${owner} has not serialised it` };
  const windows = windowsOf(record).filter(({ from }) => from >= input.since);
  if (windows.length === 0) return { dagId, owner, runs: [] };
  const told = missedRuns({
    schedule,
    windows,
    runs: await readRuns(input, dagId),
    next: await readNext(input, dagId, owner),
  });
  if (!told.ok) return { dagId, owner, runs: [], reason: told.reason };
  const runs = told.runs.map((run) => missedOf(dagId, run));
  const lacks = runs.length > 0 && input[owner].control.can.addRun === false;
  return { dagId, owner, runs, ...(lacks ? { reason: `${input[owner].control.label} has no way to add a run` } : {}) };
}

async function readRuns({ source, target, since }: ReadMissed, dagId: string) {
  return [
    ...(await readAutomatedRuns(source.session, { side: "source", release: source.release, dagId, since })),
    ...(await readAutomatedRuns(target.session, { side: "target", release: target.release, dagId, since })),
  ];
}

/** Without the time of creation the rest may be old. */
async function readNext(input: ReadMissed, dagId: string, owner: SideName): Promise<Micros | null> {
  const [dag] = await input[owner].control.readDags(input.signal, [dagId]);
  const next = dag?.nextRun;
  if (next?.createAfter == null) return null;
  return parseMicros(next.intervalEnd ?? next.createAfter) ?? null;
}

function missedOf(dagId: string, { logicalDate, interval }: DueRun): MissedRun {
  return {
    dagId,
    logicalDate: instantOf(logicalDate),
    intervalStart: instantOf(interval.start),
    intervalEnd: instantOf(interval.end),
  };
}

function instantOf(at: Micros): Instant {
  const micros = ((at % 1_000_000) + 1_000_000) % 1_000_000;
  return `${new Date((at - micros) / 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, "0")}Z`;
}

/** What became of a run that was to be added. */
export interface AddedRun extends MissedRun {
  readonly owner: SideName;
  /** Why it was not. */
  readonly failed?: string;
}

interface AddTo {
  readonly controls: Readonly<Record<SideName, Control>>;
  readonly ledger: CutoverLedger;
  readonly signal: AbortSignal;
}

/** Adds them where their DAG's rows count, oldest first, each with a line in the record; one that is refused does not keep the others. */
export async function addMissed(missed: readonly DagMissed[], to: AddTo): Promise<readonly AddedRun[]> {
  const added: AddedRun[] = [];
  for (const { owner, runs } of missed.filter((each) => each.reason === undefined)) {
    for (const run of runs) {
      to.signal.throwIfAborted();
      added.push({ ...run, owner, ...(await addOne(run, owner, to)) });
    }
  }
  return added;
}

async function addOne(
  run: MissedRun,
  owner: SideName,
  { controls, ledger, signal }: AddTo,
): Promise<{ failed?: string }> {
  try {
    await controls[owner].addRun(run, signal);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { failed: error.report.what };
  }
  const kept = await ledger.read(run.dagId);
  if (kept !== undefined)
    await ledger.write(kept, `the run of ${run.logicalDate}, which was missed, was added on the ${owner}`);
  return {};
}
