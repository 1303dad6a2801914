import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { DBOS, DBOSClient, type WorkflowHandle } from "@dbos-inc/dbos-sdk";
// The public way to make its tables speaks on standard output, which is ours.
import { ensureSystemDatabase } from "@dbos-inc/dbos-sdk/internal/system_database";
import { GlobalLogger } from "@dbos-inc/dbos-sdk/internal/telemetry/logs";
import pLimit, { type LimitFunction } from "p-limit";
import type { Secret } from "../domain/secret.ts";
import type { DurableRun, RunDefinition, WorkItem } from "../ports/durable.ts";
import { runOfOtherVersion, stateLost, stateUnreachable } from "./problems.ts";
import { type StateWatch, watchState } from "./state-watch.ts";

export interface DurableOptions {
  /** The run's id: starting it again attaches to it. */
  readonly run: string;
  readonly stateUrl: Secret;
  /** For messages: where the state is, without the password. */
  readonly stateLabel: string;
  /** Items at once in this process. */
  readonly lanes: number;
  /** The package's version: a run is only recovered by the version that knows its course. */
  readonly version: string;
}

/** How a run ended in this process. */
export type Ended<T> =
  | { readonly state: "done"; readonly result: T; readonly wasDone: boolean }
  | { readonly state: "stopped" };

/** Items fetched for each lane: one is under way, the others wait here, so that no lane waits for the queue's next look. */
const ITEMS_AHEAD = 3;
const ITEM_POLL_MS = 50;
/** How often the result of what has just ended here is looked for, and how often that of what another process may be doing. */
const RESULT_POLL_MS = 25;
const OTHERS_RESULT_POLL_MS = 500;
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

/** What a run is to do in this process, known once its job is. */
interface Course {
  readonly definition: RunDefinition<unknown>;
  readonly gate: Gate;
}

class Workflows {
  readonly #options: DurableOptions;
  readonly #begun = Promise.withResolvers<Course>();
  readonly #item: (item: WorkItem) => Promise<unknown>;
  readonly #lanes: LimitFunction;
  /** By workflow: resolved when this process has done the item. */
  readonly #ended = new Map<string, PromiseWithResolvers<void>>();
  readonly #outside = AsyncLocalStorage.snapshot();
  readonly course: () => Promise<unknown>;

  constructor(options: DurableOptions) {
    this.#options = options;
    this.#lanes = pLimit(options.lanes);
    this.#item = DBOS.registerWorkflow((item: WorkItem) => this.#do(item), {
      name: "item",
      maxRecoveryAttempts: MOST_LIVES,
    });
    this.course = DBOS.registerWorkflow(() => this.#run(), { name: "run", maxRecoveryAttempts: MOST_LIVES });
  }

  /** What was recovered of an earlier life waits for this. */
  begin(course: Course): void {
    this.#begun.resolve(course);
  }

  /** The lane is taken outside of the gate: what waits for one is not under way, and is not begun when the gate closes meanwhile. */
  async #do(item: WorkItem): Promise<unknown> {
    const { definition, gate } = await this.#begun.promise;
    const work = () => definition.item(item);
    const result = await DBOS.runStep(() => this.#lanes(() => gate.pass(work)), { name: item.kind });
    this.#ended.get(this.#idOf(item))?.resolve();
    return result;
  }

  async #run(): Promise<unknown> {
    const { definition, gate } = await this.#begun.promise;
    const durable: DurableRun = {
      id: this.#options.run,
      step: (name, work) => DBOS.runStep(() => gate.pass(work), { name }),
      all: async (items) => await (await this.#begin(items))(),
      begin: (items) => this.#begin(items),
    };
    try {
      return await definition.run(durable);
    } catch (error) {
      gate.fail(error);
      return await leavePending();
    }
  }

  #idOf(item: WorkItem): string {
    return `${this.#options.run} ${item.key}`;
  }

  async #begin(items: readonly WorkItem[]): Promise<() => Promise<readonly unknown[]>> {
    const handles: WorkflowHandle<unknown>[] = [];
    for (const item of items) {
      const workflowID = this.#idOf(item);
      this.#ended.set(workflowID, Promise.withResolvers());
      handles.push(await DBOS.startWorkflow(this.#item, { workflowID, queueName: queueOf(this.#options.run) })(item));
    }
    return async () => {
      const results: unknown[] = [];
      for (const handle of handles) results.push(await this.#resultOf(handle));
      return results;
    };
  }

  /** Asked from outside of the course: which of the two questions is answered first must not be a recorded step of it. */
  async #resultOf(handle: WorkflowHandle<unknown>): Promise<unknown> {
    const result = (pollingIntervalMs: number) => this.#outside(() => handle.getResult({ pollingIntervalMs }));
    const here = this.#ended.get(handle.workflowID)?.promise.then(() => result(RESULT_POLL_MS));
    return await Promise.race([result(OTHERS_RESULT_POLL_MS), ...(here === undefined ? [] : [here])]);
  }
}

/** DBOS quotes the URL that it was given; a query parameter of it may be a password. */
function withoutUrl(message: string): string {
  return message.replaceAll(/\b[a-z0-9+]+:\/\/\S+/gi, "its URL");
}

const APPLICATION = "crosswind";

/** Before the launch: a queue that is not there then is only found a second later. */
async function registerQueue({ run, lanes, stateUrl }: DurableOptions): Promise<void> {
  const logger = new GlobalLogger(undefined, { logger: quiet });
  await ensureSystemDatabase(stateUrl.reveal(), logger, undefined, undefined, false);
  const client = await DBOSClient.create({
    systemDatabaseUrl: stateUrl.reveal(),
    applicationName: APPLICATION,
    logger: quiet,
    systemDatabasePoolSize: 1,
    systemDatabaseIdleTransactionTimeoutMs: 0,
  });
  try {
    await client.registerQueue(queueOf(run), {
      workerConcurrency: lanes * ITEMS_AHEAD,
      minPollingIntervalMs: ITEM_POLL_MS,
      onConflict: "always_update",
    });
  } finally {
    await client.destroy();
  }
}

async function launch(options: DurableOptions): Promise<StateWatch> {
  DBOS.setConfig({
    name: APPLICATION,
    systemDatabaseUrl: options.stateUrl.reveal(),
    applicationVersion: options.version,
    executorID: `run ${options.run}`,
    // Else it would take items of every other run in the same state database, and do them as its own.
    listenQueues: [queueOf(options.run)],
    logger: quiet,
    runMigrations: false,
    useListenNotify: false,
    // Its timeout is set by a query that runs into the next one, which the driver warns about on the user's terminal.
    systemDatabaseIdleTransactionTimeoutMs: 0,
  });
  try {
    await registerQueue(options);
    await DBOS.launch();
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

async function attach<T>({ run, version }: DurableOptions, workflows: Workflows): Promise<Ended<T>> {
  const before = await DBOS.getWorkflowStatus(run);
  const begunBy = before?.applicationVersion;
  if (before?.status === "PENDING" && begunBy !== undefined && begunBy !== version) {
    // Nobody would take it up: its steps may be other ones.
    throw runOfOtherVersion({ begunBy, now: version });
  }
  const handle = await DBOS.startWorkflow(workflows.course, { workflowID: run })();
  // The course of a definition gives what the definition says.
  const result = (await handle.getResult({ pollingIntervalMs: RESULT_POLL_MS })) as T;
  return { state: "done", result, wasDone: before?.status === "SUCCESS" };
}

/** A run, opened in the state database: nothing of it is done before its definition is known. */
export interface OpenedRun extends AsyncDisposable {
  /**
   * Starts the run, or attaches to it where it was started before: finished steps and items are not done again. Once for each opened run.
   * `signal` aborted: no further item is begun; those under way end, then the run stops and can be opened again.
   *
   * Rejects with the first failure of a step or item; the run is then as after a crash and can be opened again once the cause is mended.
   * Throws STATE_DATABASE_UNREACHABLE, STATE_DATABASE_LOST, RUN_OF_OTHER_VERSION.
   */
  carry<T>(definition: RunDefinition<T>, signal: AbortSignal): Promise<Ended<T>>;
}

/** Opens a run. Returns at once: the state database gets ready while the caller looks at the environments. */
export function openRun(options: DurableOptions): OpenedRun {
  const workflows = new Workflows(options);
  const launched = launch(options);
  // Told to whoever carries the run; one that is not carried is only closed.
  launched.catch(() => {});
  let isClosed = false;
  return {
    async carry<T>(definition: RunDefinition<T>, signal: AbortSignal): Promise<Ended<T>> {
      const watch = await launched;
      const gate = new Gate(signal);
      void watch.lost.then(({ message }) => gate.fail(stateLost({ where: options.stateLabel, reason: message })));
      workflows.begin({ definition, gate });
      const ended = await Promise.race([attach<T>(options, workflows), gate.closed()]);
      if (ended !== undefined) return ended;
      if (gate.failure !== undefined) throw gate.failure.error;
      return { state: "stopped" };
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      const watch = await launched.catch(() => undefined);
      await watch?.[Symbol.asyncDispose]();
      await shutDown();
    },
  };
}
