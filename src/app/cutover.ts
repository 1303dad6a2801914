import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { openPostgres } from "../databases/postgres/postgres.ts";
import type { Config } from "../domain/config.ts";
import { NO_CONFLICTS } from "../domain/plan.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { readPlannedSelection } from "../engine/copy/ledger.ts";
import { CutoverLedger, readSwitches, takeLease } from "../engine/cutover/cutover-ledger.ts";
import { type Gate, type Override, override, readGate, redConditions } from "../engine/cutover/gate.ts";
import * as problems from "../engine/cutover/problems.ts";
import { readStartingTies } from "../engine/cutover/read-wave-facts.ts";
import {
  type CutoverEvent,
  type DagSwitch,
  type Direction,
  hasSetOut,
  isHalfDone,
} from "../engine/cutover/switch-state.ts";
import { type Clock, type Switchboard, USUAL_TIMES } from "../engine/cutover/switchboard.ts";
import type { Tie } from "../engine/cutover/ties.ts";
import { AT_ONCE, restoreAll, switchWave, type WaveReport } from "../engine/cutover/wave.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import type { ProbedSide } from "../engine/probe/probe-side.ts";
import { isSelected } from "../engine/select/match.ts";
import { openDagDeltas } from "../engine/sync/sync-dag.ts";
import { openReturnDeltas } from "../engine/sync/sync-return.ts";
import { allDiffering } from "../engine/verify/report.ts";
import { verifyCopy } from "../engine/verify/verify-copy.ts";
import { openControl } from "./control.ts";
import { migrationJob } from "./jobs.ts";
import { openSides, type Sides } from "./sides.ts";

export interface CutoverOptions {
  /** For the record: who switches. */
  readonly who: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly drainMs?: number;
  /** Runs of a DAG without a gap go over half done; default: it is restored. */
  readonly handsOver?: boolean;
  /** Rows that were deleted on the source may stay on the target. Default: they keep a DAG from being switched. */
  readonly keepsDeleted?: boolean;
  /** The side that DAGs leave has the drain policy: where there is no gap, DAGs end with their newest run. Default: no. */
  readonly endsDags?: boolean;
  /** Aborted: no further DAG is begun, those that wait are restored. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: CutoverEvent) => void;
}

const realClock: Clock = {
  now: () => new Date(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, { signal });
  },
};

type Moves = Pick<Switchboard, "bring" | "verify">;

export interface Opened {
  readonly config: Config;
  readonly sides: Sides;
  readonly probed: { readonly source: ProbedSide; readonly target: ProbedSide };
  readonly resources: AsyncDisposableStack;
}

const SILENT = { onEvent: () => {} };

/** The copy job of a cutover, with the selection of the last copy. */
export async function jobOf({ config, sides, probed }: Opened) {
  const selection = (await readPlannedSelection(sides.target, probed.source.facts.identity)) ?? config.select;
  const job = { ...migrationJob(config, sides, { probed, selection }), ...SILENT };
  return { ...job, run: randomUUID(), conflicts: NO_CONFLICTS, now: realClock.now() };
}

/** Rows go from the source to the target, and are compared afterwards. */
async function forwardMoves(opened: Opened, signal: AbortSignal): Promise<Moves> {
  const job = await jobOf(opened);
  const deltas = await openDagDeltas(job);
  return {
    bring: ({ dagId, handedOver }) => deltas.bring(dagId, handedOver),
    verify: async ({ dagId }) => {
      const report = await verifyCopy({ ...job, dags: [dagId], now: () => realClock.now(), signal });
      const deleted = report.entities.reduce((sum, each) => sum + each.unexpected, 0);
      return { differing: allDiffering(report) - deleted, deleted };
    },
  };
}

/** The work done on the target goes back to the source; merged once more, it must find every row there. */
async function backMoves(opened: Opened): Promise<Moves> {
  const { config, probed, resources } = opened;
  const { codecs, ...job } = await jobOf(opened);
  const { sourceKeys, targetKeys } = codecs;
  // Each DAG that goes back holds two on the target's side (its snapshot and what is read of it) and one on the source's.
  const maxSessions = 3 * AT_ONCE + 2;
  const source = resources.use(
    openPostgres({ url: config.target.database, name: "target", readOnly: true, maxSessions }),
  );
  const target = resources.use(openPostgres({ url: config.source.database, name: "source", maxSessions }));
  const deltas = await openReturnDeltas({
    ...job,
    source,
    target,
    sourceSide: probed.target.side,
    targetSide: probed.source.side,
    identity: probed.target.facts.identity,
    codecs: {
      ...(targetKeys === undefined ? {} : { sourceKeys: targetKeys }),
      ...(sourceKeys === undefined ? {} : { targetKeys: sourceKeys }),
    },
  });
  const bring = async ({ dagId, liveXid }: DagSwitch) => {
    if (liveXid === undefined) throw problems.notSwitched({ dag: dagId });
    return await deltas.bring(dagId, liveXid);
  };
  return {
    bring,
    verify: async (kept) => {
      const again = await bring(kept);
      return { differing: again.inserted + again.updated, deleted: 0 };
    },
  };
}

/** Which DAGs start others, as the source has parsed them. */
async function readTies({ sides, probed }: Opened): Promise<readonly Tie[]> {
  await using session = await sides.source.session();
  return await readStartingTies(session, probed.source.side.release);
}

/** Everything that switching needs; the target is held against copies, and the lease is taken. */
async function openSwitchboard(
  config: Config,
  { direction, ...options }: CutoverOptions & { readonly direction: Direction },
  resources: AsyncDisposableStack,
): Promise<Switchboard> {
  const { signal } = new AbortController();
  // Each DAG that is switched has sessions of its own: with too few, one waits until it fails.
  const lanes = (config.lanes + 1) * AT_ONCE;
  const sides = resources.use(await openSides({ ...config, lanes }, { homeDir: options.homeDir }));
  if (sides.upload !== undefined || sides.source.landed !== undefined) throw problems.needsPostgres({});
  resources.use(await holdTarget(sides.target, "cutover"));
  const opened = { config, sides, probed: await probeBoth(sides), resources };
  const ties = await readTies(opened);
  const moves = direction === "forward" ? await forwardMoves(opened, signal) : await backMoves(opened);
  const source = { name: "source", control: resources.use(await openControl(config, "source", signal)) } as const;
  const target = { name: "target", control: resources.use(await openControl(config, "target", signal)) } as const;
  const by = { source: opened.probed.source.facts.identity, who: options.who };
  const ledger = await CutoverLedger.open(sides.target, by);
  // A process that died may have begun a call: what it wrote is written by then.
  const deadlineMs = Math.max(source.control.deadlineMs, target.control.deadlineMs);
  const settleMs = async () => ((await ledger.readAll()).some(isHalfDone) ? deadlineMs : 0);
  const lease = resources.use(await takeLease(sides.target, settleMs));
  const [from, to] = direction === "forward" ? [source, target] : [target, source];
  const times = { ...USUAL_TIMES, ...(options.drainMs === undefined ? {} : { drainMs: options.drainMs }) };
  const { signal: stop, onEvent, handsOver = false, endsDags = false, keepsDeleted = false } = options;
  return {
    direction,
    from,
    to,
    ledger,
    lease,
    ...moves,
    clock: realClock,
    times,
    ties,
    handsOver,
    endsDags,
    keepsDeleted,
    signal,
    stop,
    onEvent,
  };
}

/** The source's DAGs that the patterns name, by id. Throws CUTOVER_NOTHING_NAMED. */
export async function namedDags(
  config: Config,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  await using source = await openControl(config, "source", signal);
  const dags = (await source.readDags(signal)).filter((dag) => dag.isActive).map((dag) => dag.dagId);
  const named = dags.filter((dag) => isSelected(dag, patterns));
  if (named.length === 0) throw problems.nothingNamed({ patterns: patterns.join(" ") });
  return named;
}

export interface GateOptions extends Pick<CutoverOptions, "who" | "homeDir" | "signal"> {
  /** Red conditions that somebody takes the responsibility for. */
  readonly overrides: readonly Override[];
  /** Patterns of DAGs whose owner accepts other labels (`ds`) on the target. */
  readonly acceptsShift: readonly string[];
  /** See {@link CutoverOptions}. */
  readonly endsDags?: boolean;
}

/** DAGs of these that have not set out yet: those on their way are finished, whatever has become of the conditions since. */
async function notYetSwitched(sides: Sides, identity: string, dagIds: readonly string[]): Promise<readonly string[]> {
  await using session = await sides.target.session();
  const switched = new Set((await readSwitches(session, identity)).filter(hasSetOut).map(({ dagId }) => dagId));
  return dagIds.filter((dagId) => !switched.has(dagId));
}

/** Reads what has to hold before the DAGs are switched, and what each will run next on the target; changes nothing. */
export async function lookAtGate(config: Config, dagIds: readonly string[], options: GateOptions): Promise<Gate> {
  await using resources = new AsyncDisposableStack();
  const sides = resources.use(await openSides(config, { homeDir: options.homeDir }));
  if (sides.upload !== undefined || sides.source.landed !== undefined) throw problems.needsPostgres({});
  const opened = { config, sides, probed: await probeBoth(sides), resources };
  const dags = await notYetSwitched(sides, opened.probed.source.facts.identity, dagIds);
  const { signal } = options;
  const gate = await readGate({
    source: resources.use(await openControl(config, "source", signal)),
    target: resources.use(await openControl(config, "target", signal)),
    sourceSession: resources.use(await sides.source.session()),
    targetSession: resources.use(await sides.target.session()),
    sides: await jobOf(opened),
    dags,
    now: () => realClock.now(),
    signal,
    acceptsShift: (dagId) => options.acceptsShift.length > 0 && isSelected(dagId, options.acceptsShift),
    endsDags: options.endsDags === true,
  });
  return override(gate, options.overrides, options.who);
}

/** Refuses while conditions are red. Throws CUTOVER_GATE_CLOSED. */
export function assertOpen(gate: Gate): void {
  const red = redConditions(gate);
  if (red.length > 0) throw problems.gateClosed({ red: red.map(({ id }) => id).join(", ") });
}

/** Conditions that somebody took the responsibility for, and labels whose shift was accepted, each a line in the record of its DAGs. */
async function recordAccepted(board: Switchboard, dagIds: readonly string[], { conditions }: Gate): Promise<void> {
  for (const { id, what, dags, state, override: by } of conditions) {
    const about = dags.length === 0 ? dagIds : dags;
    if (by !== undefined) await board.ledger.note(about, `${id} (${what}) was overridden by ${by.who}: ${by.reason}`);
    else if (id === "interval-switches" && state === "note") await board.ledger.note(about, what);
  }
}

/** Switches DAGs from source to target and watches their first runs. Throws CUTOVER_*, CONTROL_*, SYNC_*. */
export async function cutover(
  config: Config,
  dagIds: readonly string[],
  options: CutoverOptions & { readonly watchMs: number; readonly gate: Gate },
): Promise<WaveReport> {
  await using resources = new AsyncDisposableStack();
  const board = await openSwitchboard(config, { ...options, direction: "forward" }, resources);
  await recordAccepted(board, dagIds, options.gate);
  return await switchWave(board, dagIds, options.watchMs);
}

/** Switches DAGs back from target to source, with the work done since. Throws CUTOVER_*, CONTROL_*. */
export async function reverse(config: Config, dagIds: readonly string[], options: CutoverOptions): Promise<WaveReport> {
  await using resources = new AsyncDisposableStack();
  const board = await openSwitchboard(config, { ...options, direction: "back" }, resources);
  // Those that are back already are told, too: the command may be the second one, after an interruption.
  const switched = (await board.ledger.readAll()).filter((kept) => hasSetOut(kept) || kept.state === "reversed");
  const there = new Set(switched.map(({ dagId }) => dagId));
  const going = dagIds.filter((dagId) => there.has(dagId));
  if (going.length === 0) throw problems.notSwitched({ dag: dagIds.join(", ") });
  return await switchWave(board, going, 0);
}

/** Gives up every switch that is under way, in both directions: both sides as they were before it. */
export async function cancelCutover(config: Config, options: CutoverOptions): Promise<WaveReport> {
  const dags: DagSwitch[] = [];
  for (const direction of ["forward", "back"] as const) {
    await using resources = new AsyncDisposableStack();
    const board = await openSwitchboard(config, { ...options, direction }, resources);
    dags.push(...(await restoreAll(board)).dags);
  }
  return { dags };
}
