import { isProblem } from "../../domain/problem.ts";
import { drain } from "./drain.ts";
import { liftEndDate } from "./end-dates.ts";
import * as problems from "./problems.ts";
import { prove } from "./prove.ts";
import {
  type DagSwitch,
  type Direction,
  ENDS,
  isHalfDone,
  isUnderWay,
  isUnfinished,
  type SwitchState,
} from "./switch-state.ts";
import { type ComparedRows, enter, readDag, type Switchboard, unpause } from "./switchboard.ts";

type Step = (board: Switchboard, kept: DagSwitch) => Promise<DagSwitch>;

/** What is done in a state, which leads to the next one. Each may be repeated: a process that was killed in the middle comes back to it. */
const STEPS: Readonly<Partial<Record<SwitchState, Step>>> = {
  ready: async (board, kept) => {
    // Well before the proof, which a parse that still saw it would give wrongly.
    const lifted = await liftEndDate(board, kept, board.to);
    return await enter(board, { ...lifted, state: "draining" }, "waits for a gap between runs");
  },
  draining: async (board, kept) => {
    const drained = await drain(board, kept);
    const pausedAt = board.clock.now().toISOString();
    return await enter(
      board,
      { ...drained, state: "paused", pausedAt },
      `paused on the ${board.from.name}, nothing runs there`,
    );
  },
  paused: async (board, kept) => {
    const proving: DagSwitch = { ...kept, state: "proving" };
    const delta = await board.bring(kept);
    const what = `${delta.inserted} new and ${delta.updated} changed rows brought to the ${board.to.name}`;
    if (delta.openRuns.length === 0) return await enter(board, proving, what);
    const stayed = { ...proving, stayed: delta.openRuns };
    if (kept.wasPaused) return await enter(board, stayed, `${what}; open runs stay on the ${board.from.name}`);
    // Somebody has triggered it, or unpaused the DAG.
    const appeared = `a run appeared meanwhile: ${delta.openRuns.join(", ")}`;
    return await enter(board, { ...kept, state: "draining" }, appeared);
  },
  proving: async (board, kept) => {
    const { clock } = await board.to.control.readHealth(board.signal);
    assertEqual(board, kept, await board.verify(kept));
    const proof = await prove(board, kept.dagId, clock.at);
    const left = await readDag(board.from, kept.dagId, board);
    if (!left.isPaused)
      return await enter(
        board,
        { ...kept, state: "draining" },
        `somebody unpaused it on the ${board.from.name}: begun again`,
      );
    const { state, owner } = ENDS[kept.direction];
    const what = `its rows count on the ${board.to.name} from now on`;
    return await goLive(board, await board.ledger.writeOwner({ ...kept, state, ...proof }, owner, what));
  },
};

/** Throws CUTOVER_NOT_PROVEN where rows differ, and CUTOVER_ROWS_DELETED where nothing but deleted ones do. */
function assertEqual(board: Switchboard, { dagId: dag }: DagSwitch, { differing, deleted }: ComparedRows): void {
  if (differing > 0) {
    const reason = `${differing + deleted} of its rows differ on the ${board.to.name} (crosswind verify --dag ${dag} tells them)`;
    throw problems.notProven({ dag, reason });
  }
  if (deleted > 0 && !board.keepsDeleted) throw problems.rowsDeleted({ dag, count: deleted });
}

/** Lets it run where it went as it did where it came from; where somebody unpaused it there meanwhile, its later runs have to come first. */
async function goLive(board: Switchboard, kept: DagSwitch): Promise<DagSwitch> {
  if (!kept.wasPaused && !(await unpause(board, board.to, kept.dagId))) {
    const { keeper } = ENDS[kept.direction];
    const { handedOver: _handedOver, ...again } = kept;
    const what = `somebody unpaused it on the ${board.from.name}: begun again`;
    return await board.ledger.writeOwner({ ...again, state: "draining" }, keeper, what);
  }
  await closeHandedOver(board, kept);
  const live = { ...kept, liveAt: board.clock.now().toISOString() };
  return await enter(board, live, kept.wasPaused ? "paused, as it was before" : `unpaused on the ${board.to.name}`);
}

/** Where they came from, runs that were handed over would go on after a way back: they end there. */
async function closeHandedOver(board: Switchboard, { dagId, handedOver = [] }: DagSwitch): Promise<void> {
  if (!board.from.control.can.closeRun) return;
  for (const runId of handedOver) await board.from.control.closeRun(dagId, runId, board.signal);
}

/**
 * Both sides as they were before the first pause; the rows of the side that it did not leave count. What is killed before the new state is written
 * is found under way, and read again.
 */
export async function restore(board: Switchboard, kept: DagSwitch, reason: string): Promise<DagSwitch> {
  const { given, keeper } = ENDS[kept.direction];
  const isBack = kept.wasPaused || (await unpause(board, board.from, kept.dagId));
  const why = isBack
    ? reason
    : `${reason}; it stays paused on the ${board.from.name}: it is not paused on the ${board.to.name}`;
  const { pausedAt: _pausedAt, handedOver: _handedOver, ...before } = await liftEndDate(board, kept, board.from);
  const restored: DagSwitch = { ...before, state: given, reason: why };
  await board.ledger.writeOwner(restored, keeper, `restored: ${why}`);
  board.onEvent({ dagId: kept.dagId, state: restored.state, what: why });
  return restored;
}

/** States in which a DAG may set out, by direction. */
const SETS_OUT: Readonly<Record<Direction, readonly SwitchState[]>> = {
  forward: ["restored", "reversed"],
  back: ["live", "settled"],
};

async function begin(board: Switchboard, dagId: string): Promise<DagSwitch> {
  const { direction, from, to } = board;
  const known = await board.ledger.read(dagId);
  if (known !== undefined && isHalfDone(known)) {
    if (known.direction !== direction) throw problems.otherDirection({ dag: dagId });
    return known;
  }
  const isNew = known === undefined || known.state === "restored";
  if (isNew && direction === "back") throw problems.notSwitched({ dag: dagId });
  if (known !== undefined && !SETS_OUT[direction].includes(known.state)) return known;
  const left = await readDag(from, dagId, board);
  const there = await readDag(to, dagId, board);
  if (!there.isPaused) throw problems.notProven({ dag: dagId, reason: `it is not paused on the ${to.name}` });
  const since = {
    ...(known?.liveXid === undefined ? {} : { liveXid: known.liveXid }),
    ...(known?.endDate === undefined ? {} : { endDate: known.endDate }),
  };
  const kept: DagSwitch = { dagId, state: "ready", direction, wasPaused: left.isPaused, ...since };
  await board.ledger.write(kept, "how both sides were is kept");
  return kept;
}

/**
 * Switches one DAG from one side to the other, or goes on where an earlier process stopped. What fails restores it (a bug, too, which is thrown
 * then), and so does a stop on request while it waits.
 *
 * Resolves with where it ended (`live` or `reversed`, or `until`, where it waits for others), or where it was before with the reason. Rejects when
 * the lease is lost, or neither side can be told how it is.
 */
export async function switchDag(board: Switchboard, dagId: string, until?: SwitchState): Promise<DagSwitch> {
  let kept = await begin(board, dagId);
  try {
    if (isUnfinished(kept)) kept = await goLive(board, kept);
    for (let step = STEPS[kept.state]; step !== undefined && kept.state !== until; step = STEPS[kept.state])
      kept = await step(board, kept);
    return kept;
  } catch (error) {
    const now = (await board.ledger.read(dagId)) ?? kept;
    const isLeaseLost = isProblem(error) && error.code === "CUTOVER_LEASE_LOST";
    if (isLeaseLost || !isUnderWay(now)) throw error;
    const restored = await restore(board, now, isProblem(error) ? error.report.what : "a bug in Crosswind");
    if (!isProblem(error)) throw error;
    return restored;
  }
}
