import { setTimeout as sleep } from "node:timers/promises";
import { isRaw } from "../databases/raw.ts";
import type { Config } from "../domain/config.ts";
import type { AuditEntry, RunOrder, RunRecord } from "../domain/run.ts";
import type { EventSink } from "../domain/run-event.ts";
import { endSessions } from "../engine/copy/end-sessions.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { beginLife, hasLedger } from "../engine/copy/ledger.ts";
import { restoreAll } from "../engine/copy/restore-indexes.ts";
import { planStale } from "../engine/plan/problems.ts";
import { identityOf } from "../engine/probe/probe-side.ts";
import { tagOf } from "../runs/executors.ts";
import { runOver } from "../runs/problems.ts";
import { RunRecords } from "../runs/run-records.ts";
import type { Actor } from "../runs/state-client.ts";
import { followRun } from "./follow.ts";
import { openTarget } from "./sides.ts";
import { openState } from "./state.ts";

export interface RunsOptions {
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
}

async function withRecords<T>(
  config: Config,
  { homeDir }: RunsOptions,
  work: (records: RunRecords) => Promise<T>,
): Promise<T> {
  await using state = await openState(config, homeDir);
  await using records = await RunRecords.open(state);
  return await work(records);
}

const MOST_RUNS = 50;

/** The newest runs of the state database. Throws STATE_DATABASE_UNREACHABLE, STATE_OF_NEWER_VERSION, as all here. */
export async function listRuns(config: Config, options: RunsOptions): Promise<readonly RunRecord[]> {
  return await withRecords(config, options, (records) => records.list(MOST_RUNS));
}

/** A run with its audit trail. */
export interface ShownRun {
  readonly run: RunRecord;
  readonly audit: readonly AuditEntry[];
}

/** A run by the beginning of its id. Throws RUN_UNKNOWN. */
export async function showRun(config: Config, beginning: string, options: RunsOptions): Promise<ShownRun> {
  return await withRecords(config, options, async (records) => {
    const run = await records.find(beginning);
    return { run, audit: await records.auditOf(run.id) };
  });
}

export interface OrderOptions extends RunsOptions {
  readonly actor: Actor;
}

const OVER: ReadonlySet<RunRecord["state"]> = new Set(["done", "cancelled"]);

/** Pauses a run, or lets it go on. Throws RUN_UNKNOWN, RUN_OVER. */
export async function orderRun(
  config: Config,
  { beginning, wanted }: { readonly beginning: string; readonly wanted: Exclude<RunOrder, "cancel"> },
  { actor, ...options }: OrderOptions,
): Promise<ShownRun> {
  return await withRecords(config, options, async (records) => {
    const { id, state } = await records.find(beginning);
    if (OVER.has(state)) throw runOver({ run: id, state });
    await records.order(id, wanted, actor);
    return { run: await records.find(id), audit: await records.auditOf(id) };
  });
}

const LOOK_MS = 250;

/** Waits until nobody works for the run any more. */
async function untilLeft(records: RunRecords, run: string, signal: AbortSignal): Promise<RunRecord> {
  for (;;) {
    const record = await records.find(run);
    if (signal.aborted || record.executors.every(({ isAlive }) => !isAlive)) return record;
    await sleep(LOOK_MS);
  }
}

export interface CancelOptions extends OrderOptions {
  readonly signal: AbortSignal;
}

/**
 * Ends a run for good: whoever works for it ends what is under way; then indexes and keys are put back. What was copied stays.
 * Throws RUN_UNKNOWN, RUN_OVER, PLAN_STALE where the target is another one than the run's.
 */
export async function cancelRun(config: Config, beginning: string, options: CancelOptions): Promise<ShownRun> {
  const { actor, signal } = options;
  return await withRecords(config, options, async (records) => {
    const { id, state, plan } = await records.find(beginning);
    if (OVER.has(state)) throw runOver({ run: id, state });
    const isOfPostgres = !isRaw(config.target.database);
    await using target = isOfPostgres ? openTarget(config) : undefined;
    if (target !== undefined && (await identityOf(target)) !== plan.target.identity) {
      throw planStale({ file: "PLAN", changes: `the run's target is ${plan.target.label}, not ${target.address}` });
    }
    await records.order(id, "cancel", actor);
    const left = await untilLeft(records, id, signal);
    if (target !== undefined) {
      if (left.executors.length > 0)
        await endSessions(
          target,
          left.executors.map((each) => tagOf(each.id)),
        );
      await using _held = await holdTarget(target, "cancel");
      await using session = await target.session();
      if (await hasLedger(session)) {
        // Nothing of it is committed any more, whatever process wakes up later.
        await beginLife(session, id);
        await restoreAll(session);
      }
    }
    await records.end(id, { state: "cancelled" }, actor);
    return { run: await records.find(id), audit: await records.auditOf(id) };
  });
}

export interface FollowOptions extends RunsOptions {
  /** Told before the first event, with the run's plan. */
  readonly onRun: (run: RunRecord) => EventSink;
  readonly signal: AbortSignal;
}

/**
 * Shows a run of the configured target, the newest one, until it is over, whoever carries it. Gives it as it was at last; undefined where there is
 * none.
 */
export async function followNewest(config: Config, options: FollowOptions): Promise<RunRecord | undefined> {
  return await withRecords(config, options, async (records) => {
    await using target = openTarget(config);
    const identity = await identityOf(target);
    const record = (await records.list(MOST_RUNS)).find(({ plan }) => plan.target.identity === identity);
    if (record === undefined) return undefined;
    const { signal } = options;
    return await followRun({
      records,
      target,
      run: record.id,
      onEvent: options.onRun(record),
      signal,
      isPatient: true,
    });
  });
}
