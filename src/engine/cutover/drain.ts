import type { DagState, RunReading } from "../../ports/control.ts";
import { holdEndDate } from "./end-dates.ts";
import * as problems from "./problems.ts";
import type { DagSwitch } from "./switch-state.ts";
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

/** How long a scheduler takes at most to start a run for an event that its DAG has waited for. */
const EVENT_MS = 10_000;

/** An event has just come: the run that it starts is about to be made. One that waits for others may wait long. */
async function hasNewEvent({ from, clock, signal }: Switchboard, dagId: string): Promise<boolean> {
  if (!from.control.can.readPendingEvents) return false;
  const events = await from.control.readPendingEvents(dagId, signal);
  return events.some(({ createdAt }) => clock.now().getTime() - Date.parse(createdAt) < EVENT_MS);
}

/** Without catchup a tick that passes while both sides are paused is never run: the gap has to be as long as a switch takes. */
async function marginOf({ from, times, signal }: Switchboard, dagId: string): Promise<number> {
  const { catchup } = await from.control.readDagSettings(dagId, signal);
  return catchup === true ? times.marginMs : times.marginWithoutCatchupMs;
}

/** How long it may wait without a word. */
const WORD_MS = 20_000;

function waitsFor(runs: readonly RunReading[]): string {
  return runs.map((run) => run.runId).join(", ") || "a run is due at once";
}

/** Tasks that an executor has: they end by themselves, also when the DAG is paused. */
const AT_WORK = ["queued", "running", "restarting"] as const;

async function isAtWork({ from, signal }: Switchboard, runs: readonly RunReading[]): Promise<boolean> {
  for (const { dagId, runId } of runs) {
    if ((await from.control.readTasks({ dagId, runId, states: AT_WORK }, signal)).length > 0) return true;
  }
  return false;
}

/** Waits until no task is at work on two readings with a heartbeat of the scheduler in between: it may just have queued one. */
async function settle(board: Switchboard, runs: readonly RunReading[], until: number): Promise<boolean> {
  let quietAt: string | undefined;
  while (board.clock.now().getTime() < until) {
    const { schedulerHeartbeatAt, clock } = await board.from.control.readHealth(board.signal);
    const dagId = runs[0]?.dagId ?? "";
    if (await isAtWork(board, runs)) quietAt = undefined;
    else if (quietAt === undefined) quietAt = clock.at;
    else if ((schedulerHeartbeatAt ?? "") > quietAt) return true;
    await wait(board, dagId);
  }
  return false;
}

/** Pauses with runs under way, and waits for the tasks that are at work. Gives the runs; undefined where tasks do not end in time. */
async function handOver(board: Switchboard, dagId: string): Promise<readonly string[] | undefined> {
  await pause(board, board.from, dagId);
  const runs = await activeRuns(board, dagId);
  const isQuiet = await settle(board, runs, board.clock.now().getTime() + board.times.drainMs);
  // Some may have ended meanwhile.
  return isQuiet ? (await activeRuns(board, dagId)).map(({ runId }) => runId) : undefined;
}

/**
 * Pauses the side that the DAG leaves in a gap: no run is active, none is due at once. A run that slips in between is left to end: the DAG is unpaused
 * again and the next gap is waited for, because a paused DAG never ends its runs. Where there is none in time, and runs may be handed over, it pauses
 * and waits for the tasks that are at work. Gives what is kept of the switch, with the runs that are handed over. Throws CUTOVER_NOT_DRAINED.
 *
 * A DAG that was paused before has nothing to drain: runs that are stuck in it stay there.
 */
export async function drain(board: Switchboard, begun: DagSwitch): Promise<DagSwitch> {
  let kept = begun;
  const { dagId } = kept;
  if (kept.wasPaused) return kept;
  const marginMs = await marginOf(board, dagId);
  let until = board.clock.now().getTime() + board.times.drainMs;
  let saidAt = board.clock.now().getTime();
  for (;;) {
    const dag = await readDag(board.from, dagId, board);
    const runs = await activeRuns(board, dagId);
    if (dag.isPaused && runs.length === 0) return kept;
    if (dag.isPaused) await unpause(board, board.from, dagId);
    else if (isGap(dag, runs, { now: board.clock.now(), marginMs }) && !(await hasNewEvent(board, dagId))) {
      if (board.mayPause?.(dagId) ?? true) {
        await pause(board, board.from, dagId);
        if ((await activeRuns(board, dagId)).length === 0) return kept;
        await unpause(board, board.from, dagId);
        // It has gaps: what it waits for is a place.
      } else until = board.clock.now().getTime() + board.times.drainMs;
    } else if (board.endsDags) kept = await holdEndDate(board, kept);
    if (board.clock.now().getTime() - saidAt > WORD_MS) {
      saidAt = board.clock.now().getTime();
      board.onEvent({ dagId, state: "draining", what: `still waits for a gap: ${waitsFor(runs)}` });
    }
    if (board.clock.now().getTime() > until) {
      const handedOver = board.handsOver ? await handOver(board, dagId) : undefined;
      if (handedOver !== undefined) return { ...kept, ...(handedOver.length === 0 ? {} : { handedOver }) };
      const seconds = Math.round(board.times.drainMs / 1000);
      throw problems.notDrained({ dag: dagId, seconds, runs: waitsFor(runs) });
    }
    await wait(board, dagId);
  }
}
