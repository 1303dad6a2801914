import type { RunReading } from "../../ports/control.ts";
import type { DagSwitch } from "./switch-state.ts";
import { enter, pause, readDag, type Switchboard } from "./switchboard.ts";

/** Newest runs looked through for the first one of the target's own. */
const MOST_RUNS = 100;

function byDate(a: RunReading, b: RunReading): number {
  return (a.logicalDate ?? "").localeCompare(b.logicalDate ?? "");
}

/** Runs before the expected one that the target began by itself. An imported run that is cleared begins again, too, and is none of them. */
async function unexpectedRuns(board: Switchboard, dagId: string, begun: readonly RunReading[]) {
  const since = begun.toSorted(byDate)[0]?.logicalDate;
  if (since == null) return [];
  const imported = await board.from.control.readRuns({ dagId, since }, board.signal);
  const known = new Set(imported.map(({ runId }) => runId));
  return begun.filter(({ runId }) => !known.has(runId));
}

/** The first automated run that the target made, whether it is the expected one or not. */
async function firstRun(board: Switchboard, { dagId, next, liveAt }: DagSwitch): Promise<RunReading | undefined> {
  if (next == null || liveAt === undefined) return undefined;
  const runs = await board.to.control.readRuns({ dagId, limit: MOST_RUNS }, board.signal);
  const scheduled = runs.filter(({ runType, logicalDate }) => runType === "scheduled" && logicalDate !== null);
  const isAfter = ({ logicalDate }: RunReading) => (logicalDate ?? "") >= next.logicalDate;
  const begun = scheduled.filter((run) => !isAfter(run) && (run.startedAt ?? "") >= liveAt.slice(0, 19));
  const own = [...scheduled.filter(isAfter), ...(await unexpectedRuns(board, dagId, begun))];
  return own.toSorted(byDate)[0];
}

/** Somebody unpaused what is live elsewhere: its rows do not count, so it is paused. */
async function keepSourcePaused(board: Switchboard, { dagId }: DagSwitch): Promise<void> {
  const source = await readDag(board.from, dagId, board);
  if (source.isPaused) return;
  await pause(board, board.from, dagId);
  board.onEvent({ dagId, state: "live", what: "somebody unpaused it on the source: paused again" });
}

/**
 * Looks at a live DAG once: that the source stays paused, and whether the target's first run is the expected one. Another one: the DAG is paused on
 * the target, and the reason kept. Settled when that run has ended.
 */
export async function watchDag(board: Switchboard, kept: DagSwitch): Promise<DagSwitch> {
  await keepSourcePaused(board, kept);
  const first = await firstRun(board, kept);
  if (first === undefined || kept.reason !== undefined) return kept;
  const { dagId, next } = kept;
  if (first.logicalDate !== next?.logicalDate) {
    await pause(board, board.to, dagId);
    const reason = `the target ran ${first.runId} and not the run of ${next?.logicalDate ?? "never"}: paused there`;
    return await enter(board, { ...kept, reason }, reason);
  }
  if (first.endedAt === null) return kept;
  return await enter(board, { ...kept, state: "settled" }, `its first run, ${first.runId}, has ended: ${first.state}`);
}

/** True when the next run of a live DAG is due before the moment, so that waiting for it is worth while. */
export function isDueBefore({ state, next, reason, wasPaused }: DagSwitch, moment: Date): boolean {
  if (state !== "live" || next == null || reason !== undefined || wasPaused) return false;
  return next.createAfter === null || Date.parse(next.createAfter) < moment.getTime();
}
