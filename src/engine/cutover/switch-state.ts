import type { Instant, NextRun } from "../../ports/control.ts";
import type { SideName } from "./automated-run.ts";

/**
 * Where a DAG is on its way: `draining` the side it leaves finishes what runs; `paused` nothing runs there any more; `proving` its rows are on the
 * other side, which has yet to say the right next run; `live` the target's rows count, and it runs there as it did on the source; `settled` its first run
 * there has ended. `restored`: given up, as it was before. `reversed`: back on the source with the work done since.
 */
export type SwitchState = "ready" | "draining" | "paused" | "proving" | "live" | "settled" | "restored" | "reversed";

/** From the source to the target, or back. */
export type Direction = "forward" | "back";

/** What is kept of a DAG's switch. */
export interface DagSwitch {
  readonly dagId: string;
  readonly state: SwitchState;
  readonly direction: Direction;
  /** How the side that it leaves was before the first pause. The other side was paused. */
  readonly wasPaused: boolean;
  /** Runs that are not finished and go over half done: the other side goes on with them. */
  readonly handedOver?: readonly string[];
  /** The end that the drain policy of a side gives it, until it runs there again. */
  readonly endDate?: { readonly side: SideName; readonly at: Instant };
  /** When the side that it leaves was read paused, ISO 8601. */
  readonly pausedAt?: string;
  /** When the other side was read unpaused, or, for a DAG that was paused before, when its rows began to count there. */
  readonly liveAt?: string;
  /** The target's transaction that made its rows count: what was done there since is told by it on the way back. */
  readonly liveXid?: string;
  /** What the side it goes to said that it runs next; null: nothing is due. */
  readonly next?: NextRun | null;
  /** Ticks that nobody runs, because they passed while both sides were paused and the DAG has no catchup. */
  readonly missed?: { readonly from: string; readonly to: string };
  /** Open runs of a DAG that was paused before: they stay where they are. */
  readonly stayed?: readonly string[];
  /** Why it was restored. */
  readonly reason?: string;
}

/** Where a direction ends, whose rows count then; where it is given up, and whose rows count as before. */
export const ENDS = {
  forward: { state: "live", owner: "target", given: "restored", keeper: "source" },
  back: { state: "reversed", owner: "source", given: "live", keeper: "target" },
} as const satisfies Readonly<Record<Direction, Readonly<Record<string, string>>>>;

const UNDER_WAY: readonly SwitchState[] = ["ready", "draining", "paused", "proving"];

/** Set out and not there: it is finished by going on, or restored. */
export function isUnderWay({ state }: DagSwitch): boolean {
  return UNDER_WAY.includes(state);
}

/** Killed between the owner's change and the unpause: it may be paused on both sides, and is finished by going on. */
export function isUnfinished({ state, direction, liveAt }: DagSwitch): boolean {
  return state === ENDS[direction].state && liveAt === undefined;
}

/** Somebody has to end it: both sides may be paused. */
export function isHalfDone(kept: DagSwitch): boolean {
  return isUnderWay(kept) || isUnfinished(kept);
}

/** On the target, or on the way there or back. */
export function hasSetOut(kept: DagSwitch): boolean {
  return isHalfDone(kept) || kept.state === "live" || kept.state === "settled";
}

/** What happened to a DAG, for views and the record. */
export interface CutoverEvent {
  readonly dagId: string;
  readonly state: SwitchState;
  /** A sentence: what was done or is waited for. */
  readonly what: string;
}
