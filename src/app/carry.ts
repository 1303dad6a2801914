import { setTimeout as sleep } from "node:timers/promises";
import type { Config, Limits } from "../domain/config.ts";
import type { Plan } from "../domain/plan.ts";
import { isProblem } from "../domain/problem.ts";
import type { EventSink } from "../domain/run-event.ts";
import { type CopySummary, defineApply, type ExpectedRows } from "../engine/copy/apply.ts";
import type { CopyJob } from "../engine/copy/copy-context.ts";
import { endSessions } from "../engine/copy/end-sessions.ts";
import { assertEnded } from "../engine/copy/set-back.ts";
import type { RunDefinition } from "../ports/durable.ts";
import type { Ended, OpenedRun } from "../runs/dbos-runs.ts";
import type { Role } from "../runs/executors.ts";
import { type HeldLimits, holdLimits } from "../runs/limits.ts";
import { runCancelled } from "../runs/problems.ts";
import type { RunRecords } from "../runs/run-records.ts";
import type { Actor } from "../runs/state-client.ts";
import type { Sides } from "./sides.ts";
import type { StateDatabase } from "./state.ts";
import { admission, watchOrders } from "./take-part.ts";

/** What every process that takes part in a run has. */
export interface Participation {
  readonly plan: Plan;
  /** The id of the durable run. */
  readonly run: string;
  readonly actor: Actor;
  /** Names this process's sessions. */
  readonly tag: string;
  readonly version: string;
  readonly config: Pick<Config, "lanes" | "snapshotMinutes">;
  readonly sides: Pick<Sides, "source" | "target">;
  readonly state: StateDatabase;
  readonly records: RunRecords;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/** The limits of both environments, as a configuration has them. */
export function limitsOf(config: Pick<Config, "source" | "target">): {
  readonly source: Limits;
  readonly target: Limits;
} {
  return { source: config.source.limits ?? {}, target: config.target.limits ?? {} };
}

/** Keeps the limits that a run was begun with. */
export async function keepLimits(
  { plan, state }: Pick<Participation, "plan" | "state">,
  { source, target }: { readonly source: Limits; readonly target: Limits },
): Promise<HeldLimits | undefined> {
  return await holdLimits(state, [
    { identity: `source ${plan.source.identity}`, limits: source },
    { identity: `target ${plan.target.identity}`, limits: target },
  ]);
}

/** Opens the durable run for this process. */
export async function openRun(participation: Participation, role: Role): Promise<OpenedRun> {
  // Loaded when it is needed: it is most of what the process would load, and `--help` needs none of it.
  const { openRun: open } = await import("../runs/dbos-runs.ts");
  const { run, state, config, version, tag, actor, sides } = participation;
  const end = async (tags: readonly string[]) => {
    await endSessions(sides.target, tags);
    if (sides.source.landed === undefined) await endSessions(sides.source, tags);
  };
  return open({ run, state, lanes: config.lanes, version, role, tag, ...actor, endSessions: end });
}

/** Carries a definition through one life, as far as the orders of the run let it. */
async function carryOnce<T>(
  definition: RunDefinition<T>,
  { opened, participation, limits, signal }: CarryOnce,
): Promise<Ended<T>> {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  const presence = await opened.presence;
  using _watch = watchOrders(presence.orders, ({ wanted }) => {
    if (wanted === "cancel") stop.abort();
  });
  try {
    const admit = admission({ signal: all, onEvent: participation.onEvent, limits, executor: presence.id });
    const ended = await opened.carry(definition, { signal: all, admit });
    if (ended.state === "stopped" && stop.signal.aborted) {
      const { plan, records } = participation;
      throw runCancelled({ run: plan.id, who: await records.lastOrder(plan.id) });
    }
    return ended;
  } finally {
    stop.abort();
  }
}

interface CarryOnce {
  readonly opened: OpenedRun;
  readonly participation: Participation;
  readonly limits?: HeldLimits | undefined;
  readonly signal: AbortSignal;
}

/** Carries a run that has but one life in a process. */
export async function carryDefinition<T>(
  definition: RunDefinition<T>,
  participation: Participation,
): Promise<Ended<T>> {
  await using opened = await openRun(participation, "carrier");
  return await carryOnce(definition, { opened, participation, signal: participation.signal });
}

const LOOK_MS = 500;

/** A read snapshot is not taken while nothing may be read from it. */
async function whileMayRead({ plan, records, signal }: Participation, limits: HeldLimits | undefined): Promise<void> {
  while (!signal.aborted) {
    const record = await records.read(plan.id);
    if (record?.wanted !== "pause" && (await limits?.isOpen()) !== false) return;
    await sleep(LOOK_MS);
  }
}

export interface Copy {
  readonly expected: ExpectedRows;
  /** The first life, opened before. */
  readonly opened: OpenedRun;
}

/** A standby that ends reads over and over makes no progress possible. */
const MOST_LOST = 20;

/**
 * Starts the run again, with a new read snapshot, for as long as it is stopped by the age of the old one only, or by a standby that ended it: nothing
 * that was copied is lost by that.
 */
export async function carryCopy(
  job: CopyJob,
  participation: Participation,
  { expected, opened: first }: Copy,
): Promise<Ended<CopySummary>> {
  const { plan, records, config, onEvent } = participation;
  const maxSnapshotMs = config.snapshotMinutes * 60_000;
  const known = await records.read(plan.id);
  await using limits = await keepLimits(participation, known?.limits ?? { source: {}, target: {} });
  const notices = { began: records.publish.bind(records, plan.id), loaded: () => records.loaded(plan.id) };
  const limited = limits === undefined ? job : { ...job, throttle: limits };
  for (let opened: OpenedRun | undefined = first, lost = 0; ; opened = undefined) {
    await whileMayRead(participation, limits);
    await using definition = defineApply(limited, { expected, maxSnapshotMs, notices });
    await using run = opened ?? (await openRun(participation, "carrier"));
    const signal = AbortSignal.any([participation.signal, definition.snapshotTooOld]);
    const ended = await carryOnce(definition, { opened: run, participation, limits, signal }).catch(
      (error: unknown) => {
        if (!isProblem(error) || error.code !== "DATABASE_READ_CANCELLED" || ++lost > MOST_LOST) throw error;
        return { state: "stopped", reason: error.report.what } as const;
      },
    );
    if (ended.state === "done" && ended.wasDone) await assertEnded(job.target, job.run);
    if (ended.state === "done" || participation.signal.aborted) return ended;
    await records.withdraw(plan.id);
    onEvent({ kind: "snapshot-renewed", ...("reason" in ended ? { reason: ended.reason } : {}) });
  }
}

/** What became of a run in this process, for the record. `isHandedOn`: others go on with what was stopped here. */
export async function recorded<T>(
  participation: Participation,
  { isHandedOn }: { readonly isHandedOn: boolean },
  carry: () => Promise<Ended<T>>,
): Promise<Ended<T>> {
  const { plan, records, actor } = participation;
  try {
    const ended = await carry();
    if (ended.state === "done") await records.end(plan.id, { state: "done", result: ended.result }, actor);
    else if (isHandedOn) await records.withdraw(plan.id);
    else await records.end(plan.id, { state: "stopped" }, actor);
    return ended;
  } catch (error) {
    // The first failure is the one to tell; a state database that is gone keeps the run as one that was interrupted.
    await recordFailure(participation, error).catch(() => undefined);
    throw error;
  }
}

/** Of these others know: whoever cancelled or took over. */
const TOLD_BY_OTHERS: ReadonlySet<string> = new Set(["RUN_CANCELLED", "RUN_TAKEN_OVER", "RUN_LIFE_OVER"]);

async function recordFailure({ plan, records, actor }: Participation, error: unknown): Promise<void> {
  if (isProblem(error) && TOLD_BY_OTHERS.has(error.code)) return;
  // Its cause passes: a worker goes on as after a crash.
  if (isProblem(error) && error.report.retry === "automatic") return await records.withdraw(plan.id);
  const problem = isProblem(error)
    ? error.report
    : {
        code: "BUG",
        what: "the run was ended by a bug of crosswind.",
        safe: "finished chunks are in the target and in the ledger; the source was not touched.",
        next: ["the command that carried it has shown more"],
        retry: "never" as const,
      };
  await records.end(plan.id, { state: "failed", problem }, actor);
}
