import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isRaw } from "../databases/raw.ts";
import type { Config } from "../domain/config.ts";
import { isProblem, type ProblemReport } from "../domain/problem.ts";
import type { RunRecord } from "../domain/run.ts";
import type { EventSink } from "../domain/run-event.ts";
import { defineHelp } from "../engine/copy/apply.ts";
import type { CopyJob } from "../engine/copy/copy-context.ts";
import { probeBoth, staleParts } from "../engine/plan/make-plan.ts";
import { planStale } from "../engine/plan/problems.ts";
import { identityOf } from "../engine/probe/probe-side.ts";
import { runOfOtherVersion } from "../runs/problems.ts";
import { RunRecords } from "../runs/run-records.ts";
import type { Actor } from "../runs/state-client.ts";
import { apply } from "./apply.ts";
import { keepLimits, openRun, type Participation } from "./carry.ts";
import { migrationJob, planJob } from "./jobs.ts";
import { workerNeedsPostgres } from "./problems.ts";
import { openSides } from "./sides.ts";
import { openState, type StateDatabase } from "./state.ts";
import { admission, watchOrders } from "./take-part.ts";

/** What a worker does, as it happens. */
export type WorkerEvent =
  | { readonly kind: "waiting" }
  | { readonly kind: "carrying" | "helping" | "left"; readonly run: string }
  | { readonly kind: "problem"; readonly problem: ProblemReport };

export interface WorkerOptions {
  /** The package's version. */
  readonly version: string;
  readonly actor: Actor;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  /** True: ends when the first run that it takes part in is over. */
  readonly isOnce: boolean;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
  readonly onWorkerEvent: (event: WorkerEvent) => void;
}

/** What a worker has taken part in. */
export interface Worked {
  /** Ids of the runs. */
  readonly runs: readonly string[];
  readonly chunks: number;
  readonly rows: number;
}

const IDLE_MS = 1000;
/** Somebody begins the next life of a run meanwhile, or has just ended it. */
const AFTER_WORK_MS = 200;
/** What is in the way may pass: a server that starts again, a role that gets its rights. */
const AFTER_PROBLEM_MS = 3000;

/** `worked`: its run goes on elsewhere, or needs somebody. */
type Turn = "idle" | "worked" | "over";

interface Pair {
  readonly source: string;
  readonly target: string;
}

const GOES_ON: ReadonlySet<RunRecord["state"]> = new Set(["running", "waiting", "interrupted"]);

class Worker {
  readonly #config: Config;
  readonly #options: WorkerOptions;
  readonly #runs = new Set<string>();
  #chunks = 0;
  #rows = 0;
  #told = "";
  #known: Pair | undefined;

  constructor(config: Config, options: WorkerOptions) {
    this.#config = config;
    this.#options = options;
  }

  get worked(): Worked {
    return { runs: [...this.#runs], chunks: this.#chunks, rows: this.#rows };
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  readonly onEvent: EventSink = (event) => {
    if (event.kind === "chunk" && event.isNew) {
      this.#chunks++;
      this.#rows += event.rows;
    }
    this.#options.onEvent(event);
  };

  /** Told once, until something else has happened. */
  tell(event: Parameters<WorkerOptions["onWorkerEvent"]>[0]): void {
    const text = JSON.stringify(event);
    if (text !== this.#told) this.#options.onWorkerEvent(event);
    this.#told = text;
  }

  /** Looks for a run and takes part in it, where there is one. */
  async turn(): Promise<Turn> {
    const { homeDir, version } = this.#options;
    await using state = await openState(this.#config, homeDir);
    await using records = await RunRecords.open(state);
    const record = await records.next(await this.#pair());
    const isFree = record?.executors.every(({ role, isAlive }) => role !== "carrier" || !isAlive) === true;
    if (record === undefined && (await this.#isDone(records))) return "over";
    if (record === undefined || (isFree ? record.wanted === "pause" : record.life === null)) {
      this.tell({ kind: "waiting" });
      return "idle";
    }
    if (record.version !== version) throw runOfOtherVersion({ begunBy: record.version, now: version });
    this.tell({ kind: isFree ? "carrying" : "helping", run: record.id });
    this.#runs.add(record.id);
    if (isFree) await this.#carry(record);
    else await this.#help(record, { state, records });
    this.tell({ kind: "left", run: record.id });
    const now = await records.read(record.id);
    return now === undefined || GOES_ON.has(now.state) ? "worked" : "over";
  }

  /** Its last run was ended by others, after it had left. */
  async #isDone(records: RunRecords): Promise<boolean> {
    const last = [...this.#runs].at(-1);
    const record = last === undefined ? undefined : await records.read(last);
    return record !== undefined && !GOES_ON.has(record.state);
  }

  /** Which databases they are, asked once: a configuration does not change while a worker runs. */
  async #pair(): Promise<Pair> {
    if (this.#known !== undefined) return this.#known;
    await using sides = await openSides(this.#config, this.#options);
    this.#known = { source: await identityOf(sides.source), target: await identityOf(sides.target) };
    return this.#known;
  }

  async #carry({ plan, limits }: RunRecord): Promise<void> {
    const { source, target } = this.#config;
    const config = {
      ...this.#config,
      source: { ...source, limits: limits.source },
      target: { ...target, limits: limits.target },
    };
    const { now, onWorkerEvent: _told, isOnce: _once, ...options } = this.#options;
    await apply(config, {
      ...options,
      plan,
      planFile: "PLAN",
      now: now(),
      onEvent: this.onEvent,
      mode: "worker",
    }).catch((error: unknown) => {
      // Another worker was faster: there is something to help with.
      if (!(isProblem(error) && error.code === "APPLY_UNDER_WAY")) throw error;
    });
  }

  async #help(record: RunRecord, { state, records }: { state: StateDatabase; records: RunRecords }): Promise<void> {
    const { plan, life } = record;
    if (life === null) return;
    const { version, actor, now } = this.#options;
    const config = { ...this.#config, select: plan.selection };
    const tag = randomBytes(4).toString("hex");
    await using sides = await openSides(config, { ...this.#options, tag });
    const probing = planJob(config, sides, { acceptLoss: true, now: now(), id: plan.id, version });
    const probed = await probeBoth(probing);
    const stale = staleParts(plan, probed);
    if (stale.length > 0) throw planStale({ file: "PLAN", changes: stale.join("; ") });
    const leave = new AbortController();
    const signal = AbortSignal.any([this.signal, leave.signal]);
    const shared = { plan, run: plan.id, actor, tag, version, config, sides, state, records, onEvent: this.onEvent };
    const participation: Participation = { ...shared, signal };
    await using limits = await keepLimits(participation, record.limits);
    const job: CopyJob = {
      ...migrationJob(config, sides, { probed, selection: plan.selection }),
      run: plan.id,
      conflicts: plan.conflicts,
      now: new Date(plan.createdAt),
      onEvent: this.onEvent,
      ...(limits === undefined ? {} : { throttle: limits }),
    };
    await using definition = defineHelp(job, life);
    await using opened = await openRun(participation, "worker");
    const presence = await opened.presence;
    using _watch = watchOrders(presence.orders, (orders) => {
      if (orders.isLoaded) void definition.release();
      if (orders.life !== life.life || !orders.hasCarrier || orders.wanted === "cancel") leave.abort();
    });
    const admit = admission({ ...participation, limits, executor: presence.id });
    await opened.help(definition, { signal, admit });
  }
}

/**
 * Takes part in the runs of the configured pair of environments, one after the other, until `signal` is aborted: carries those that nobody carries,
 * and does chunks of the others. What goes wrong is told, and tried again later. Throws WORKER_NEEDS_POSTGRES.
 */
export async function work(config: Config, options: WorkerOptions): Promise<Worked> {
  if (isRaw(config.source.database) || isRaw(config.target.database)) throw workerNeedsPostgres({});
  const worker = new Worker(config, options);
  while (!options.signal.aborted) {
    let wait = IDLE_MS;
    try {
      const turn = await worker.turn();
      if (turn === "over" && options.isOnce) break;
      if (turn === "worked") wait = AFTER_WORK_MS;
    } catch (error) {
      if (!isProblem(error)) throw error;
      worker.tell({ kind: "problem", problem: error.report });
      wait = AFTER_PROBLEM_MS;
    }
    if (wait > 0) await sleep(wait, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return worker.worked;
}
