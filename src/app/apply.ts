import { openRawTarget } from "../databases/raw.ts";
import { dropStagings, openStaging } from "../databases/staging/staging.ts";
import type { Config } from "../domain/config.ts";
import type { Plan } from "../domain/plan.ts";
import type { EventSink } from "../domain/run-event.ts";
import { type CopySummary, defineApply, type ExpectedRows } from "../engine/copy/apply.ts";
import type { CopyJob } from "../engine/copy/copy-context.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { isBegun } from "../engine/copy/ledger.ts";
import { applyUnderWay } from "../engine/copy/problems.ts";
import { assertLanded } from "../engine/land/land.ts";
import { assertPlanHolds, probeBoth } from "../engine/plan/make-plan.ts";
import { ledgerOf } from "../engine/upload/land-target.ts";
import { type Mirror, readCopied, writeCopied } from "../engine/upload/mirror.ts";
import { mirrorLost } from "../engine/upload/problems.ts";
import { defineUpload } from "../engine/upload/upload-run.ts";
import type { RunDefinition } from "../ports/durable.ts";
import type { KeptRun } from "../ports/raw-target.ts";
import type { Ended, OpenedRun } from "../runs/dbos-runs.ts";
import { migrationJob, planJob } from "./jobs.ts";
import { openSides, type WritingTarget } from "./sides.ts";
import { openState, type StateDatabase } from "./state.ts";

export interface ApplyOptions {
  readonly plan: Plan;
  readonly planFile: string;
  /** The package's version. */
  readonly version: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/**
 * Does what a plan says, or goes on where an earlier apply of it stopped.
 *
 * Throws PLAN_BLOCKED, PLAN_STALE, LANDING_UNFIT, TARGET_MIRROR_LOST, and whatever stops the copy.
 */
export async function apply(config: Config, options: ApplyOptions): Promise<Ended<CopySummary>> {
  await using resources = new AsyncDisposableStack();
  // Takes a while, in which the databases can be asked; whoever needs it waits for it.
  void import("../runs/dbos-runs.ts").catch(() => undefined);
  const raw = openRawTarget({ url: config.target.database, folder: options.homeDir });
  if (raw === undefined) return (await applyTo(config, options)).ended;
  resources.use(raw);
  const held = await raw.hold();
  if (held === undefined) throw applyUnderWay({ where: raw.label });
  resources.use(held);
  const place = { source: raw.address, server: config.staging, homeDir: options.homeDir };
  const home = resources.use(await openStaging({ ...place, purpose: "target" }));
  const ledger = await ledgerOf(raw, home.database, { make: true });
  const known = await ledger.readRun(options.plan.id);
  if (known?.summary !== undefined)
    return { state: "done", result: JSON.parse(known.summary) as CopySummary, wasDone: true };
  const writing = { run: options.plan.id, target: raw, home, ledger };
  const { ended, mirror } = await applyTo(config, { ...options, writing, known });
  // What is not uploaded of other runs is told from the target as it is now.
  if (ended.state === "done" && mirror !== undefined) {
    await dropStagings(home.database, { source: raw.address, purpose: "run_" });
  }
  return ended;
}

interface ApplyToOptions extends ApplyOptions {
  readonly writing?: WritingTarget;
  /** What the target knows of the run. */
  readonly known?: KeptRun | undefined;
}

async function applyTo(
  config: Config,
  options: ApplyToOptions,
): Promise<{ readonly ended: Ended<CopySummary>; readonly mirror?: Mirror | undefined }> {
  const { plan: planned, writing, known } = options;
  await using sides = await openSides({ ...config, select: planned.selection }, options);
  const mirror = sides.upload?.mirror;
  if (known !== undefined && known.mirror !== mirror?.id) throw mirrorLost({ file: options.planFile });
  const job = planJob({ ...config, select: planned.selection }, sides, {
    acceptLoss: planned.acceptsLoss,
    now: options.now,
    id: planned.id,
    version: options.version,
  });
  await using _held = await holdTarget(sides.target);
  await using state = await openState(config, options.homeDir);
  // A mirror that was lost takes with it what its run has done: another one is another run.
  const run = mirror === undefined ? planned.id : `${planned.id} ${mirror.id}`;
  const durable = { ...options, state, config, run };
  // The state database gets ready while both sides are looked at: not before the target is held, else two of the same run would share its work.
  await using opened = await openRun(durable);
  const probed = await probeBoth(job);
  await assertPlanHolds(job, {
    plan: planned,
    file: options.planFile,
    probed,
    isBegun: await isBegun(sides.target, planned.id),
  });
  assertLanded(sides.findings);
  const expected = Object.fromEntries(planned.entities.map((each) => [each.entity, each.toCopy]));
  const copyJob: CopyJob = {
    ...migrationJob(config, sides, { probed, selection: planned.selection }),
    run: planned.id,
    conflicts: planned.conflicts,
    // A history of days counts from the day it was planned.
    now: new Date(planned.createdAt),
    onEvent: options.onEvent,
  };
  if (writing === undefined || mirror === undefined)
    return { ended: await copy(copyJob, { ...durable, opened, expected }) };
  const before = await readCopied(sides.target);
  const copied: Ended<CopySummary> =
    before === undefined
      ? await copy(copyJob, { ...durable, opened, expected })
      : { state: "done", result: JSON.parse(before) as CopySummary, wasDone: true };
  if (copied.state !== "done") return { ended: copied, mirror };
  const summary = JSON.stringify(copied.result);
  await writeCopied(sides.target, summary);
  const upload = defineUpload({
    run: planned.id,
    target: writing.target,
    mirror: sides.target,
    mirrorId: mirror.id,
    release: probed.target.side.release,
    ledger: writing.ledger,
    summary,
    onEvent: options.onEvent,
  });
  // One durable run at a time in a process.
  await opened[Symbol.asyncDispose]();
  const uploaded = await start(upload, { ...durable, run: `${run} upload` });
  return { ended: uploaded.state === "done" ? { ...copied, wasDone: uploaded.wasDone } : uploaded, mirror };
}

interface RunOptions extends Pick<ApplyOptions, "version" | "signal" | "onEvent"> {
  /** The id of the durable run. */
  readonly run: string;
  readonly state: StateDatabase;
  readonly config: Pick<Config, "lanes" | "snapshotMinutes">;
}

type RunPlace = Pick<RunOptions, "run" | "state" | "config" | "version">;

async function openRun({ run, state, config, version }: RunPlace): Promise<OpenedRun> {
  // Loaded when it is needed: it is most of what the process would load, and `--help` needs none of it.
  const { openRun: open } = await import("../runs/dbos-runs.ts");
  return open({ run, stateUrl: state.url, stateLabel: state.label, lanes: config.lanes, version });
}

async function start<T>(definition: RunDefinition<T>, options: RunOptions): Promise<Ended<T>> {
  await using opened = await openRun(options);
  return await opened.carry(definition, options.signal);
}

interface CopyOptions extends RunOptions {
  readonly expected: ExpectedRows;
  readonly opened: OpenedRun;
}

/** Starts the run again, with a new read snapshot, for as long as it is stopped by the age of the old one only. */
async function copy(job: CopyJob, { expected, opened, ...options }: CopyOptions): Promise<Ended<CopySummary>> {
  const maxSnapshotMs = options.config.snapshotMinutes * 60_000;
  for (let first: OpenedRun | undefined = opened; ; first = undefined) {
    await using definition = defineApply(job, { expected, maxSnapshotMs });
    await using run = first ?? (await openRun(options));
    const ended = await run.carry(definition, AbortSignal.any([options.signal, definition.snapshotTooOld]));
    if (ended.state === "done" || options.signal.aborted) return ended;
    options.onEvent({ kind: "snapshot-renewed" });
  }
}
