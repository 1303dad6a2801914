import { randomBytes } from "node:crypto";
import { openRawTarget } from "../databases/raw.ts";
import { dropStagings, openStaging } from "../databases/staging/staging.ts";
import type { Config } from "../domain/config.ts";
import type { Plan } from "../domain/plan.ts";
import { isProblem, Problem } from "../domain/problem.ts";
import type { RunRecord } from "../domain/run.ts";
import type { EventSink } from "../domain/run-event.ts";
import type { CopySummary } from "../engine/copy/apply.ts";
import type { CopyJob } from "../engine/copy/copy-context.ts";
import { endSessions } from "../engine/copy/end-sessions.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { isBegun } from "../engine/copy/ledger.ts";
import { applyUnderWay } from "../engine/copy/problems.ts";
import { assertLanded } from "../engine/land/land.ts";
import { assertPlanHolds, probeBoth } from "../engine/plan/make-plan.ts";
import { ledgerOf } from "../engine/upload/land-target.ts";
import type { Mirror } from "../engine/upload/mirror.ts";
import { mirrorLost } from "../engine/upload/problems.ts";
import type { KeptRun } from "../ports/raw-target.ts";
import type { Ended } from "../runs/dbos-runs.ts";
import { tagOf } from "../runs/executors.ts";
import { runCancelled, runGoesOn, runPaused } from "../runs/problems.ts";
import { RunRecords } from "../runs/run-records.ts";
import type { Actor } from "../runs/state-client.ts";
import { carryCopy, limitsOf, openRun, type Participation, recorded } from "./carry.ts";
import { followRun } from "./follow.ts";
import { migrationJob, planJob } from "./jobs.ts";
import { openSides, type Sides, type WritingTarget } from "./sides.ts";
import { openState } from "./state.ts";
import { carryAndUpload } from "./upload.ts";

/**
 * `foreground`: in this process; where another one carries the run, its progress is shown. `detached`: left to workers. `worker`: as one of them,
 * which leaves to others what it does not finish.
 */
export type ApplyMode = "foreground" | "detached" | "worker";

/** How an apply ended in this process. */
export type Applied = Ended<CopySummary> | { readonly state: "detached" };

export interface ApplyOptions {
  readonly plan: Plan;
  readonly planFile: string;
  /** The package's version. */
  readonly version: string;
  readonly actor: Actor;
  /** Default: `foreground`. */
  readonly mode?: ApplyMode;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/**
 * Does what a plan says, goes on where an earlier apply of it stopped, or shows what another process does of it.
 *
 * Throws PLAN_BLOCKED, PLAN_STALE, LANDING_UNFIT, TARGET_MIRROR_LOST, RUN_*, and whatever stops the copy.
 */
export async function apply(config: Config, options: ApplyOptions): Promise<Applied> {
  await using resources = new AsyncDisposableStack();
  // Takes a while, in which the databases can be asked; whoever needs it waits for it.
  void import("../runs/dbos-runs.ts").catch(() => undefined);
  const raw = openRawTarget({ url: config.target.database, folder: options.homeDir });
  if (raw === undefined) return (await applyTo(config, options)).ended;
  resources.use(raw);
  const held = await raw.hold();
  if (held === undefined) throw applyUnderWay({ where: raw.label, command: "command" });
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
): Promise<{ readonly ended: Applied; readonly mirror?: Mirror | undefined }> {
  const { plan: planned, writing, known } = options;
  const tag = randomBytes(4).toString("hex");
  await using sides = await openSides({ ...config, select: planned.selection }, { ...options, tag });
  const mirror = sides.upload?.mirror;
  if (known !== undefined && known.mirror !== mirror?.id) throw mirrorLost({ file: options.planFile });
  const job = planJob({ ...config, select: planned.selection }, sides, {
    acceptLoss: planned.acceptsLoss,
    now: options.now,
    id: planned.id,
    version: options.version,
  });
  await using state = await openState(config, options.homeDir);
  await using records = await RunRecords.open(state);
  const turn = await takeTurn({ ...options, sides, records });
  if (turn.followed !== undefined) return { ended: turn.followed, mirror };
  await using _held = turn.held;
  // A mirror that was lost takes with it what its run has done: another one is another run.
  const run = mirror === undefined ? planned.id : `${planned.id} ${mirror.id}`;
  const participation: Participation = { ...options, tag, config, sides, state, records, run };
  // The state database gets ready while both sides are looked at: not before the target is held, else two of the same run would share its work.
  await using opened = options.mode === "detached" ? undefined : await openRun(participation, "carrier");
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
  const isWaiting = opened === undefined;
  if (turn.record?.state !== "done") {
    const begun = { plan: planned, version: options.version, limits: limitsOf(config), ...options.actor };
    await records.begin({ ...begun, state: isWaiting ? "waiting" : "running" });
  }
  if (isWaiting) return { ended: { state: "detached" } };
  const isHandedOn = options.mode === "worker";
  if (writing === undefined || mirror === undefined) {
    const copy = () => carryCopy(copyJob, participation, { expected, opened });
    return { ended: await recorded(participation, { isHandedOn }, copy) };
  }
  const { release } = probed.target.side;
  const written = await recorded(participation, { isHandedOn }, () =>
    carryAndUpload(copyJob, { participation, expected, opened, mirror, writing, release }),
  );
  return { ended: written, mirror };
}

interface TakeTurn extends ApplyOptions {
  readonly sides: Sides;
  readonly records: RunRecords;
}

/** Either the target is held, and the run is this process's to carry; or others carried it to its end. */
type Turn =
  | { readonly held: AsyncDisposable; readonly record: RunRecord | undefined; readonly followed?: undefined }
  | { readonly followed: Ended<CopySummary> };

/** Without a hand; what somebody stopped, or what has failed, waits for one. */
const GOES_ON: ReadonlySet<RunRecord["state"]> = new Set(["running", "waiting", "interrupted"]);

function carrierOf(record: RunRecord | undefined) {
  return record?.executors.find(({ role, isAlive }) => role === "carrier" && isAlive);
}

/** Waits for whoever carries the run already, shows what it does, and takes its place when it is gone. */
async function takeTurn(options: TakeTurn): Promise<Turn> {
  const { plan, records, sides } = options;
  for (;;) {
    const record = await records.read(plan.id);
    await refuseEnded(record, options);
    if (carrierOf(record) === undefined) {
      const dead = record?.executors.filter(({ isAlive }) => !isAlive) ?? [];
      if (dead.length > 0)
        await endSessions(
          sides.target,
          dead.map(({ id }) => tagOf(id)),
        );
      const held = await holdTarget(sides.target, "apply").catch(async (error: unknown) => {
        // Another process was just a little faster: with this run, or with anything else.
        if (isProblem(error) && carrierOf(await records.read(plan.id)) !== undefined) return undefined;
        throw error;
      });
      if (held !== undefined) {
        const now = await records.read(plan.id);
        // Whoever carried it lets go of the target last, when it has said what became of the run.
        if (options.mode !== "worker" || now === undefined || GOES_ON.has(now.state)) return { held, record: now };
        await held[Symbol.asyncDispose]();
      }
    }
    if (options.mode === "detached" || options.mode === "worker")
      throw applyUnderWay({ where: sides.target.label, command: "command" });
    const followed = await follow(options);
    if (followed !== undefined) return { followed };
  }
}

async function refuseEnded(record: RunRecord | undefined, { records, plan }: TakeTurn): Promise<void> {
  if (record === undefined) return;
  const who = () => records.lastOrder(plan.id);
  if (record.state === "cancelled" || record.wanted === "cancel")
    throw runCancelled({ run: record.id, who: await who() });
  if (record.wanted === "pause" && carrierOf(record) === undefined)
    throw runPaused({ run: record.id, who: await who() });
}

/** Shows what another process does of the run; undefined when that process is gone before the end. */
async function follow({ plan, records, sides, signal, onEvent }: TakeTurn): Promise<Ended<CopySummary> | undefined> {
  const options = { records, target: sides.target, run: plan.id, onEvent, signal, isPatient: false };
  const record = await followRun(options);
  if (record?.state === "done") {
    // What an apply gives is a summary, whoever did it.
    return { state: "done", result: record.result as CopySummary, wasDone: false };
  }
  if (record?.state === "failed" && record.problem !== null) throw new Problem(record.problem);
  if (signal.aborted) {
    const carrier = carrierOf(record);
    throw runGoesOn({ run: plan.id, where: carrier === undefined ? "a worker" : carrier.host });
  }
  return record?.state === "stopped" ? { state: "stopped" } : undefined;
}
