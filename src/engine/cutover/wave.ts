import pLimit from "p-limit";
import { inDepths } from "../../domain/depths.ts";
import { isProblem } from "../../domain/problem.ts";
import { type ChainSteps, switchChain } from "./chain.ts";
import { Places } from "./places.ts";
import { restore, switchDag } from "./switch-dag.ts";
import { type DagSwitch, isUnderWay, isUnfinished } from "./switch-state.ts";
import type { Switchboard } from "./switchboard.ts";
import { isDueBefore, watchDag } from "./watch.ts";
import { chainsOf } from "./waves.ts";

/** What became of a wave. */
export interface WaveReport {
  readonly dags: readonly DagSwitch[];
  /** DAGs that could not be looked at, or were left where they are, and why. */
  readonly failed?: readonly { readonly dagId: string; readonly what: string }[];
}

/** DAGs brought up to date and proven at once: each holds sessions on both sides. */
export const AT_ONCE = 4;
/** DAGs whose gap is waited for at once: that costs little, and one may wait for long. */
const DRAINED_AT_ONCE = 16;

async function restoreTied(board: Switchboard, dagIds: readonly string[], reason: string): Promise<void> {
  for (const kept of await readOf(board, dagIds)) if (isUnderWay(kept)) await restore(board, kept, reason);
}

/** On a stop no DAG is begun; what is drained is finished. What is paused never waits for the gap of another: the two have places of their own. */
function stepsOf(board: Switchboard): ChainSteps {
  const [draining, finishing] = [pLimit(DRAINED_AT_ONCE), pLimit(AT_ONCE)];
  const finish = (dagId: string) => finishing(() => switchDag(board, dagId));
  const drain = (dagId: string) =>
    draining(async () => !board.stop.aborted && (await switchDag(board, dagId, "paused")).reason === undefined);
  return { drain, finish, restore: (dagIds, reason) => restoreTied(board, dagIds, reason) };
}

/** What fails at one DAG does not keep others that it is not tied to; a lost lease and bugs end all. Gives the failures. */
async function switchAll(board: Switchboard, dagIds: readonly string[]): Promise<NonNullable<WaveReport["failed"]>> {
  const starters = (id: string) => board.ties.filter(({ to }) => to === id).map(({ from }) => from);
  const chains = chainsOf(dagIds, board.ties);
  // DAGs that are tied are paused one after the other: they would keep places for long.
  const tied = new Set(chains.filter((chain) => chain.length > 1).flat());
  const places = new Places(AT_ONCE);
  const steps = stepsOf({ ...board, mayPause: (dagId) => tied.has(dagId) || places.take(dagId) });
  const switchOne = (chain: readonly string[]) =>
    switchChain(inDepths(chain, starters), steps).finally(() => chain.forEach((dagId) => places.give(dagId)));
  const ends = await Promise.allSettled(chains.map(switchOne));
  return ends.flatMap((end, index) => {
    if (end.status === "fulfilled") return [];
    const error: unknown = end.reason;
    if (!isProblem(error) || error.code === "CUTOVER_LEASE_LOST") throw error;
    return [{ dagId: chains[index]?.join(", ") ?? "", what: error.report.what }];
  });
}

async function readOf(board: Switchboard, dagIds: readonly string[]): Promise<readonly DagSwitch[]> {
  return (await board.ledger.readAll()).filter((each) => dagIds.includes(each.dagId));
}

/** Until every DAG whose first run is due in time has ended it, or the time is over; a stop on request ends it, too: nothing is under way. */
async function watch(board: Switchboard, dagIds: readonly string[], watchMs: number): Promise<void> {
  const until = new Date(board.clock.now().getTime() + watchMs);
  for (;;) {
    const live = (await readOf(board, dagIds)).filter((kept) => isDueBefore(kept, until));
    if (live.length === 0 || board.stop.aborted || board.clock.now() > until) return;
    for (const kept of live) await watchDag(board, kept);
    await board.clock.sleep(board.times.pollMs * 2, board.stop).catch(() => undefined);
  }
}

/**
 * Switches DAGs together, some at once, and watches their first runs. Those that fail are restored, and told in the report with the reason; the
 * others go on. On a stop no further one is begun. Throws CUTOVER_LEASE_LOST, and what keeps both sides from being read.
 */
export async function switchWave(board: Switchboard, dagIds: readonly string[], watchMs: number): Promise<WaveReport> {
  const failed = await switchAll(board, dagIds);
  await watch(board, dagIds, watchMs).catch((error: unknown) => {
    // What is live stays live: a door that fails now is a matter for the next look.
    if (!isProblem(error) || error.code === "CUTOVER_LEASE_LOST") throw error;
  });
  return { dags: await readOf(board, dagIds), ...(failed.length === 0 ? {} : { failed }) };
}

/**
 * Restores every switch in the board's direction that is under way: both sides as they were before. One whose rows count on the other side already is
 * finished: its unpause may have been sent.
 */
export async function restoreAll(board: Switchboard): Promise<WaveReport> {
  const restored: DagSwitch[] = [];
  // The other direction has its own board: what is unpaused there is the other side.
  const mine = (await board.ledger.readAll()).filter(({ direction }) => direction === board.direction);
  for (const kept of mine) {
    if (isUnderWay(kept)) restored.push(await restore(board, kept, "cancelled on request"));
    else if (isUnfinished(kept)) restored.push(await switchDag(board, kept.dagId));
  }
  return { dags: restored };
}
