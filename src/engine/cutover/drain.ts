import type { DagState, RunReading } from "../../ports/control.ts";
import * as problems from "./problems.ts";
import { pause, readDag, type Switchboard, unpause, wait } from "./switchboard.ts";

/** States of a run that the scheduler still has to do something with. */
const ACTIVE = ["queued", "running", "restarting"] as const;

async function activeRuns(board: Switchboard, dagId: string): Promise<readonly RunReading[]> {
  return await board.from.control.readRuns({ dagId, states: ACTIVE }, board.signal);
}

/** Milliseconds until the side may create the next run; undefined: nothing is due. */
function dueIn(dag: DagState, now: Date): number | undefined {
  const at = dag.nextRun?.createAfter;
  return at == null ? undefined : Date.parse(at) - now.getTime();
}

/** Not in the last moment before a run: the scheduler that is about to make it need not have seen a pause. */
function isGap(
  dag: DagState,
  runs: readonly RunReading[],
  { now, marginMs }: { now: Date; marginMs: number },
): boolean {
  const due = dueIn(dag, now);
  return runs.length === 0 && (due === undefined || due > marginMs);
}

/** Without catchup a tick that passes while both sides are paused is never run: the gap has to be as long as a switch takes. */
async function marginOf({ from, times, signal }: Switchboard, dagId: string): Promise<number> {
  const { catchup } = await from.control.readDagSettings(dagId, signal);
  return catchup === true ? times.marginMs : times.marginWithoutCatchupMs;
}

/**
 * Pauses the side that the DAG leaves in a gap: no run is active, none is due at once. A run that slips in between is left to end: the DAG is unpaused again and
 * the next gap is waited for, because a paused DAG never ends its runs. Throws CUTOVER_NOT_DRAINED when there is none in time.
 *
 * A DAG that was paused before has nothing to drain: runs that are stuck in it stay there.
 */
export async function drain(board: Switchboard, dagId: string, wasPaused: boolean): Promise<void> {
  if (wasPaused) return;
  const marginMs = await marginOf(board, dagId);
  const until = board.clock.now().getTime() + board.times.drainMs;
  let runs: readonly RunReading[] = [];
  for (;;) {
    const dag = await readDag(board.from, dagId, board);
    runs = await activeRuns(board, dagId);
    if (dag.isPaused && runs.length === 0) return;
    if (dag.isPaused) await unpause(board, board.from, dagId);
    else if (isGap(dag, runs, { now: board.clock.now(), marginMs })) {
      await pause(board, board.from, dagId);
      runs = await activeRuns(board, dagId);
      if (runs.length === 0) return;
      await unpause(board, board.from, dagId);
    }
    if (board.clock.now().getTime() > until) {
      const seconds = Math.round(board.times.drainMs / 1000);
      throw problems.notDrained({
        dag: dagId,
        seconds,
        runs: runs.map((run) => run.runId).join(", ") || "one is due at once",
      });
    }
    await wait(board, dagId);
  }
}
