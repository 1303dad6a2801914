import { setTimeout as sleep } from "node:timers/promises";
import { DBOS, type WorkflowHandle } from "@dbos-inc/dbos-sdk";
import pLimit, { type LimitFunction } from "p-limit";
import type { Secret } from "../domain/secret.ts";
import type { DurableRun, RunDefinition, WorkItem } from "../ports/durable.ts";
import { runOfOtherVersion, stateLost, stateUnreachable } from "./problems.ts";
import { type StateWatch, watchState } from "./state-watch.ts";

export interface DurableOptions<T> {
  /** The run's id: starting it again attaches to it. */
  readonly run: string;
  readonly definition: RunDefinition<T>;
  readonly stateUrl: Secret;
  /** For messages: where the state is, without the password. */
  readonly stateLabel: string;
  /** Items at once in this process. */
  readonly lanes: number;
  /** The package's version: a run is only recovered by the version that knows its course. */
  readonly version: string;
  /** Aborted: no further item is begun; those under way end, then the run stops and can be started again. */
  readonly signal: AbortSignal;
}

/** How a run ended in this process. */
export type Ended<T> =
  | { readonly state: "done"; readonly result: T; readonly wasDone: boolean }
  | { readonly state: "stopped" };

/** Items fetched for each lane: one is under way, the others wait here, so that no lane waits for the queue's next look. */
const ITEMS_AHEAD = 3;
const ITEM_POLL_MS = 50;
/** How often the end of the last items is looked for, and that of those before them, which end earlier anyway. */
const RESULT_POLL_MS = 25;
const EARLIER_RESULT_POLL_MS = 500;
const MOST_LIVES = 1_000_000;

/** Silent: the views speak, and a log line could quote a row. */
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Never settles: the workflow stays pending in the state database, as after a crash, and the next life finds it so. */
function leavePending(): Promise<never> {
  return new Promise<never>(() => {});
}

/**
 * Counts what is under way and holds on to the first failure. A failure is kept out of the state database: recorded there, it would be given
 * again after its cause was mended.
 */
class Gate {
  readonly #signal: AbortSignal;
  #underWay = 0;
  #settle: (() => void) | undefined;
  failure: { readonly error: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#check(), { once: true });
  }

  get isClosed(): boolean {
    return this.#signal.aborted || this.failure !== undefined;
  }

  async pass<R>(work: () => Promise<R>): Promise<R> {
    if (this.isClosed) return await leavePending();
    this.#underWay++;
    try {
      return await work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#underWay--;
      this.#check();
    }
    // Outside of the try: its `finally` would wait for ever, too.
    return await leavePending();
  }

  /** Closes the gate; the first failure is the one that is told. */
  fail(error: unknown): void {
    this.failure ??= { error };
    this.#check();
  }

  /** Resolves when the gate is closed and nothing is under way any more. */
  async closed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      this.#check();
    });
  }

  #check(): void {
    if (this.isClosed && this.#underWay === 0) this.#settle?.();
  }
}

/** A queue of a run's own. */
function queueOf(run: string): string {
  return `items of ${run}`;
}

class Workflows<T> {
  readonly #options: DurableOptions<T>;
  readonly #gate: Gate;
  readonly #queue: string;
  readonly #item: (item: WorkItem) => Promise<unknown>;
  readonly #lanes: LimitFunction;
  readonly course: () => Promise<T>;

  constructor(options: DurableOptions<T>, gate: Gate) {
    this.#options = options;
    this.#gate = gate;
    this.#queue = queueOf(options.run);
    this.#lanes = pLimit(options.lanes);
    this.#item = DBOS.registerWorkflow((item: WorkItem) => this.#do(item), {
      name: "item",
      maxRecoveryAttempts: MOST_LIVES,
    });
    this.course = DBOS.registerWorkflow(() => this.#run(), { name: "run", maxRecoveryAttempts: MOST_LIVES });
  }

  async registerQueue(): Promise<void> {
    await DBOS.registerQueue(this.#queue, {
      workerConcurrency: this.#options.lanes * ITEMS_AHEAD,
      minPollingIntervalMs: ITEM_POLL_MS,
      onConflict: "always_update",
    });
  }

  async #step<R>(name: string, work: () => Promise<R>): Promise<R> {
    return await DBOS.runStep(() => this.#gate.pass(work), { name });
  }

  /** The lane is taken outside of the gate: what waits for one is not under way, and is not begun when the gate closes meanwhile. */
  async #do(item: WorkItem): Promise<unknown> {
    const work = () => this.#options.definition.item(item);
    return await DBOS.runStep(() => this.#lanes(() => this.#gate.pass(work)), { name: item.kind });
  }

  async #run(): Promise<T> {
    const durable: DurableRun = {
      id: this.#options.run,
      step: (name, work) => this.#step(name, work),
      all: (items) => this.#all(items),
    };
    try {
      return await this.#options.definition.run(durable);
    } catch (error) {
      this.#gate.fail(error);
      return await leavePending();
    }
  }

  async #all(items: readonly WorkItem[]): Promise<readonly unknown[]> {
    const handles: WorkflowHandle<unknown>[] = [];
    for (const item of items) {
      const workflowID = `${this.#options.run} ${item.key}`;
      handles.push(await DBOS.startWorkflow(this.#item, { workflowID, queueName: this.#queue })(item));
    }
    const results: unknown[] = [];
    const last = handles.length - ITEMS_AHEAD * this.#options.lanes;
    for (const [index, handle] of handles.entries()) {
      const pollingIntervalMs = index < last ? EARLIER_RESULT_POLL_MS : RESULT_POLL_MS;
      results.push(await handle.getResult({ pollingIntervalMs }));
    }
    return results;
  }
}

/** DBOS quotes the URL that it was given; a query parameter of it may be a password. */
function withoutUrl(message: string): string {
  return message.replaceAll(/\b[a-z0-9+]+:\/\/\S+/gi, "its URL");
}

async function launch<T>(options: DurableOptions<T>, workflows: Workflows<T>): Promise<StateWatch> {
  DBOS.setConfig({
    name: "crosswind",
    systemDatabaseUrl: options.stateUrl.reveal(),
    applicationVersion: options.version,
    executorID: `run ${options.run}`,
    // Else it would take items of every other run in the same state database, and do them as its own.
    listenQueues: [queueOf(options.run)],
    logger: quiet,
    useListenNotify: false,
    // Its timeout is set by a query that runs into the next one, which the driver warns about on the user's terminal.
    systemDatabaseIdleTransactionTimeoutMs: 0,
  });
  try {
    await DBOS.launch();
    await workflows.registerQueue();
    return await watchState(options.stateUrl);
  } catch (error) {
    throw stateUnreachable(
      { where: options.stateLabel, reason: withoutUrl(error instanceof Error ? error.message : String(error)) },
      { cause: error },
    );
  }
}

/** A shut down that waits for a database that is gone is given up after this long; the process ends anyway. */
const SHUTDOWN_MS = 3000;

async function shutDown(): Promise<void> {
  const done = DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: 1 });
  // The first failure is the one to tell.
  await Promise.race([done.catch(() => undefined), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
}

async function attach<T>({ run, version }: DurableOptions<T>, workflows: Workflows<T>): Promise<Ended<T>> {
  const before = await DBOS.getWorkflowStatus(run);
  const begunBy = before?.applicationVersion;
  if (before?.status === "PENDING" && begunBy !== undefined && begunBy !== version) {
    // Nobody would take it up: its steps may be other ones.
    throw runOfOtherVersion({ begunBy, now: version });
  }
  const handle = await DBOS.startWorkflow(workflows.course, { workflowID: run })();
  const result = await handle.getResult({ pollingIntervalMs: RESULT_POLL_MS });
  return { state: "done", result, wasDone: before?.status === "SUCCESS" };
}

/**
 * Starts the run, or attaches to it where it was started before: finished steps and items are not done again.
 *
 * Rejects with the first failure of a step or item; the run is then as after a crash and can be started again once the cause is mended.
 * Throws STATE_DATABASE_UNREACHABLE, STATE_DATABASE_LOST, RUN_OF_OTHER_VERSION.
 */
export async function runDurably<T>(options: DurableOptions<T>): Promise<Ended<T>> {
  const gate = new Gate(options.signal);
  const workflows = new Workflows(options, gate);
  try {
    await using watch = await launch(options, workflows);
    void watch.lost.then(({ message }) => gate.fail(stateLost({ where: options.stateLabel, reason: message })));
    const ended = await Promise.race([attach(options, workflows), gate.closed()]);
    if (ended !== undefined) return ended;
    if (gate.failure !== undefined) throw gate.failure.error;
    return { state: "stopped" };
  } finally {
    await shutDown();
  }
}
