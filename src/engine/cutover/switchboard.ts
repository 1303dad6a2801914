import type { Control, DagState } from "../../ports/control.ts";
import type { DagDelta } from "../sync/sync-dag.ts";
import type { SideName } from "./automated-run.ts";
import type { CutoverLedger, Lease } from "./cutover-ledger.ts";
import * as problems from "./problems.ts";
import type { CutoverEvent, DagSwitch, Direction } from "./switch-state.ts";
import type { Tie } from "./ties.ts";

/** Time, as it passes outside; tests have their own. */
export interface Clock {
  now(): Date;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface SwitchTimes {
  /** How long a gap between runs is waited for. */
  readonly drainMs: number;
  /** How long the target's parse is waited for. */
  readonly proofMs: number;
  /** A run that is due sooner than this is waited for, not raced. */
  readonly marginMs: number;
  /** The same for DAGs without catchup. */
  readonly marginWithoutCatchupMs: number;
  readonly pollMs: number;
}

export const USUAL_TIMES: SwitchTimes = {
  drainMs: 600_000,
  proofMs: 300_000,
  marginMs: 2000,
  marginWithoutCatchupMs: 15_000,
  pollMs: 500,
};

/** One side of a switch: which one it is, and the control of it. */
export interface SwitchSide {
  readonly name: SideName;
  readonly control: Control;
}

/** How a DAG's rows compare, in rows. */
export interface ComparedRows {
  /** With other values, or missing where it goes. */
  readonly differing: number;
  /** Of ours, and only where it goes: they were deleted where it comes from. */
  readonly deleted: number;
}

/** Everything that switching a DAG needs. */
export interface Switchboard {
  readonly direction: Direction;
  /** The side that DAGs leave, and the one they go to: source and target, or on the way back target and source. */
  readonly from: SwitchSide;
  readonly to: SwitchSide;
  readonly ledger: CutoverLedger;
  readonly lease: Lease;
  /** Brings what changed of a DAG to the side that it goes to. */
  readonly bring: (kept: DagSwitch) => Promise<DagDelta>;
  /** Compares the DAG's rows on both sides. */
  readonly verify: (kept: DagSwitch) => Promise<ComparedRows>;
  /** Rows that were deleted where it comes from may stay where it goes; false: they keep it from being switched. */
  readonly keepsDeleted: boolean;
  readonly clock: Clock;
  readonly times: SwitchTimes;
  /** Which DAGs start others: these are drained first, and go live last. */
  readonly ties: readonly Tie[];
  /** Asked in a gap, right before the pause: false where the DAG would wait, paused, for others to be finished. Default: it may. */
  readonly mayPause?: (dagId: string) => boolean;
  /** What becomes of a DAG without a gap between its runs: false: it is restored; true: its runs go over half done. */
  readonly handsOver: boolean;
  /** Whether the side that DAGs leave has the drain policy: where there is no gap, DAGs end with their newest run. */
  readonly endsDags: boolean;
  /** For calls: not aborted by a stop on request, which lets them end. */
  readonly signal: AbortSignal;
  /** Aborted on request: no further DAG is begun, those that wait are restored. */
  readonly stop: AbortSignal;
  readonly onEvent: (event: CutoverEvent) => void;
}

/** One DAG as a side has it now. Throws CUTOVER_DAG_MISSING. */
export async function readDag(
  { control, name }: SwitchSide,
  dagId: string,
  { signal }: Pick<Switchboard, "signal">,
): Promise<DagState> {
  const [dag] = await control.readDags(signal, [dagId]);
  if (dag === undefined) throw problems.dagMissing({ dags: dagId, side: name });
  return dag;
}

/** Between two looks at what is waited for. Throws CUTOVER_STOPPED_BEFORE when a stop was asked for. */
export async function wait(board: Pick<Switchboard, "stop" | "clock" | "times">, dagId: string): Promise<void> {
  if (board.stop.aborted) throw problems.stoppedBefore({ dag: dagId });
  await board.clock.sleep(board.times.pollMs, board.stop).catch(() => undefined);
}

/** Records a new state. */
export async function enter(board: Switchboard, kept: DagSwitch, what: string): Promise<DagSwitch> {
  await board.ledger.write(kept, what);
  board.onEvent({ dagId: kept.dagId, state: kept.state, what });
  return kept;
}

/** Pauses, and reads back that it is. */
export async function pause(board: Switchboard, side: SwitchSide, dagId: string): Promise<void> {
  await board.lease.assertHeld();
  if (!(await side.control.setPaused(dagId, true, board.signal)))
    throw problems.notProven({ dag: dagId, reason: `somebody unpauses it on the ${side.name} whenever it is paused` });
}

/**
 * Unpauses on one side: only after the other side was read paused, and while the lease is held. Gives false where the other side is not paused, and
 * sends nothing.
 */
export async function unpause(board: Switchboard, side: SwitchSide, dagId: string): Promise<boolean> {
  const other = side === board.from ? board.to : board.from;
  const [dag] = await other.control.readDags(board.signal, [dagId]);
  if (dag !== undefined && !dag.isPaused) return false;
  await board.lease.assertHeld();
  await side.control.setPaused(dagId, false, board.signal);
  return true;
}
