import type { DagState, NextRun, RunReading } from "../../ports/control.ts";
import * as problems from "./problems.ts";
import { readDag, type Switchboard, wait } from "./switchboard.ts";

/** Types of runs that a scheduler counts on from. */
const AUTOMATED = ["scheduled", "backfill"];
/** Newest runs looked through for one of those. */
const MOST_RUNS = 200;

async function newestAutomated(board: ProofBoard, dagId: string): Promise<RunReading | undefined> {
  const runs = await board.to.control.readRuns({ dagId, limit: MOST_RUNS }, board.signal);
  return runs
    .filter(({ runType, logicalDate }) => AUTOMATED.includes(runType) && logicalDate !== null)
    .toSorted((a, b) => (b.logicalDate ?? "").localeCompare(a.logicalDate ?? ""))[0];
}

/** The next run begins where the newest one ended, or later: then the scheduler has seen the imported history. */
function follows(next: NextRun, newest: RunReading | undefined): boolean {
  if (newest === undefined) return true;
  const isLater = next.logicalDate > (newest.logicalDate ?? "");
  const begins = next.intervalStart ?? next.logicalDate;
  return isLater && (newest.intervalEnd === null || begins >= newest.intervalEnd);
}

/** What the other side says that it runs next. */
export interface Proof {
  /** Null: nothing is due. */
  readonly next: NextRun | null;
  /** Ticks in between that it leaves out, because the DAG has no catchup: from the end of the newest run to the beginning of the next one. */
  readonly missed?: { readonly from: string; readonly to: string };
}

function missedBetween(newest: RunReading | undefined, next: NextRun): Pick<Proof, "missed"> {
  const from = newest?.intervalEnd ?? null;
  const to = next.intervalStart;
  // An interval without length is a trigger timetable's: its next run never begins where the last one ended.
  const isTrigger = next.intervalStart === next.intervalEnd || newest?.intervalStart === newest?.intervalEnd;
  return from === null || to === null || isTrigger || to <= from ? {} : { missed: { from, to } };
}

/** A parse that began after the rows were there. It notes its time after it has looked at the runs, so the time alone is no proof. */
function isParsedSince({ lastParsedAt }: DagState, since: string): boolean {
  return lastParsedAt !== null && lastParsedAt > since;
}

/**
 * It has as many runs as it may have (those that were handed over count): none is made until one of them ends, and what comes next is computed then,
 * from runs that are there. Its other dates may be old. Up to 3.1: `calculate_dagrun_date_fields` of airflow/models/dag.py.
 */
function makesNoneNow({ nextRun }: DagState): boolean {
  return nextRun === null || nextRun.createAfter === null;
}

/** What a proof needs of a switch. */
type ProofBoard = Pick<Switchboard, "to" | "times" | "clock" | "signal" | "stop">;

/**
 * Asks the side that the DAG goes to to parse it and waits until it says a next run that follows the imported history, or, where none is made now, until it has
 * parsed the file since. `since`: that side's clock when the rows were there. Throws CUTOVER_NOT_PROVEN.
 */
export async function prove(board: ProofBoard, dagId: string, since: string): Promise<Proof> {
  const { to, times, clock, signal } = board;
  const newest = await newestAutomated(board, dagId);
  if (to.control.can.requestParse) await to.control.requestParse(dagId, signal);
  const until = clock.now().getTime() + times.proofMs;
  for (;;) {
    const dag = await readDag(to, dagId, board);
    if (dag.hasImportErrors)
      throw problems.notProven({ dag: dagId, reason: `its file has an import error on the ${to.name}` });
    if (dag.nextRun !== null && follows(dag.nextRun, newest))
      return { next: dag.nextRun, ...missedBetween(newest, dag.nextRun) };
    if (makesNoneNow(dag) && isParsedSince(dag, since)) return { next: null };
    if (clock.now().getTime() > until) {
      const says = dag.nextRun === null ? "no next run" : `the run of ${dag.nextRun.logicalDate} next`;
      const after = newest === undefined ? "" : `, after ${newest.runId}`;
      throw problems.notProven({ dag: dagId, reason: `the ${to.name} still says ${says}${after}` });
    }
    await wait(board, dagId);
  }
}
