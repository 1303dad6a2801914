import { setTimeout as sleep } from "node:timers/promises";
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
// What takes over the work of given executors has no public name.
import { DBOSExecutor } from "@dbos-inc/dbos-sdk/internal/dbos-executor";
// The public way to make its tables speaks on standard output, which is ours.
import { ensureSystemDatabase } from "@dbos-inc/dbos-sdk/internal/system_database";
import { GlobalLogger } from "@dbos-inc/dbos-sdk/internal/telemetry/logs";
import type { ItemDefinition, RunDefinition } from "../ports/durable.ts";
import { bePresent, type Orders, type Presence, type PresenceOptions, tagOf } from "./executors.ts";
import { Gate } from "./gate.ts";
import { runOfOtherVersion } from "./problems.ts";
import { asUnreachable } from "./state-client.ts";
import { type Course, queuesOf, RESULT_POLL_MS, Workflows } from "./workflows.ts";

/** `run`: starting it again attaches to it. `version`: the package's; a run is only recovered by the version that knows its course. */
export interface DurableOptions extends PresenceOptions {
  /** Items at once in this process. */
  readonly lanes: number;
  /** Ends what dead processes have left open in the databases; they may only be stopped. `tags`: names of their sessions. */
  readonly endSessions?: (tags: readonly string[]) => Promise<void>;
}

/** How a run ended in this process. */
export type Ended<T> =
  | { readonly state: "done"; readonly result: T; readonly wasDone: boolean }
  | { readonly state: "stopped" };

/** Items fetched for each lane: one is under way, the others wait here, so that no lane waits for the queue's next look. With two a copy was slower. */
const ITEMS_AHEAD = 3;
/** Where a run is shared: what waits in one process could be done by another. */
const ITEMS_AHEAD_SHARED = 2;
const POLL_MS = 50;
/** Nothing comes to the course's queue while the course is under way: whoever takes it over makes the queue anew. */
const BEGUN_POLL_MS = 5000;
const RECOVER_MS = 1000;

/** Silent: the views speak, and a log line could quote a row. */
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const APPLICATION = "crosswind";

/** Before the launch: a queue that is not there then is only found a second later. */
async function registerQueues({ run, role, lanes, state }: DurableOptions): Promise<void> {
  const logger = new GlobalLogger(undefined, { logger: quiet });
  await ensureSystemDatabase(state.url.reveal(), logger, undefined, undefined, false);
  const client = await DBOSClient.create({
    systemDatabaseUrl: state.url.reveal(),
    applicationName: APPLICATION,
    logger: quiet,
    systemDatabasePoolSize: 1,
    systemDatabaseIdleTransactionTimeoutMs: 0,
  });
  const { course, items } = queuesOf(run);
  const options = { minPollingIntervalMs: POLL_MS, onConflict: "always_update" } as const;
  try {
    const isCarrier = role === "carrier";
    if (isCarrier) await client.registerQueue(course, { workerConcurrency: 1, ...options });
    const ahead = isCarrier ? ITEMS_AHEAD : ITEMS_AHEAD_SHARED;
    await client.registerQueue(items, { workerConcurrency: lanes * ahead, ...options });
  } finally {
    await client.destroy();
  }
}

async function launch(options: DurableOptions): Promise<Presence> {
  const { run, role, state, version } = options;
  const { course, items } = queuesOf(run);
  const presence = await bePresent(options);
  DBOS.setConfig({
    name: APPLICATION,
    systemDatabaseUrl: state.url.reveal(),
    applicationVersion: version,
    executorID: presence.id,
    // Else it would take items of every other run in the same state database, and do them as its own.
    listenQueues: role === "carrier" ? [course, items] : [items],
    logger: quiet,
    runMigrations: false,
    useListenNotify: false,
    // Its timeout is set by a query that runs into the next one, which the driver warns about on the user's terminal.
    systemDatabaseIdleTransactionTimeoutMs: 0,
  });
  try {
    await registerQueues(options);
    await DBOS.launch();
    return presence;
  } catch (error) {
    await presence[Symbol.asyncDispose]();
    throw asUnreachable(error, state.label);
  }
}

/** A shut down that waits for a database that is gone is given up after this long; the process ends anyway. */
const SHUTDOWN_MS = 3000;

async function shutDown(): Promise<void> {
  const done = DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: 1 });
  // The first failure is the one to tell.
  await Promise.race([done.catch(() => undefined), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
}

/** Gives the queues back what dead executors had taken. */
async function recover({ tag, endSessions }: DurableOptions, presence: Presence): Promise<void> {
  const dead = await presence.dead();
  if (dead.length === 0) return;
  // This process itself has left what it carried before.
  const tags = new Set(dead.map(tagOf).filter((each) => each !== tag));
  if (tags.size > 0) await endSessions?.([...tags]);
  await DBOSExecutor.globalInstance?.recoverPendingWorkflows([...dead]);
  await presence.forget(dead);
}

async function attach<T>(options: DurableOptions, workflows: Workflows): Promise<Ended<T>> {
  const { run, version } = options;
  const before = await DBOS.getWorkflowStatus(run);
  const begunBy = before?.applicationVersion;
  const isOver = before?.status === "SUCCESS" || before?.status === "ERROR";
  if (before !== null && !isOver && begunBy !== undefined && begunBy !== version) {
    // Nobody would take it up: its steps may be other ones.
    throw runOfOtherVersion({ begunBy, now: version });
  }
  const handle = await DBOS.startWorkflow(workflows.course, { workflowID: run, queueName: queuesOf(run).course })();
  // The course of a definition gives what the definition says.
  const wasDone = before?.status === "SUCCESS";
  // Every question costs the state database what it could do for items.
  if (!wasDone) await workflows.followed;
  const result = (await handle.getResult({ pollingIntervalMs: RESULT_POLL_MS })) as T;
  return { state: "done", result, wasDone };
}

/** How a run is done in this process. */
export interface Carrying {
  /** Aborted: no further item is begun; those under way end, then the run stops and can be opened again. */
  readonly signal: AbortSignal;
  /** Resolves when an item may begin. Default: at once. */
  readonly admit?: (orders: () => Orders) => Promise<AsyncDisposable | undefined>;
}

/** A run, opened in the state database: nothing of it is done before its definition is known. */
export interface OpenedRun extends AsyncDisposable {
  /** This process in the state database, once it is there. */
  readonly presence: Promise<Presence>;
  /**
   * Starts the run, or goes on with it where it was started before: finished steps and items are not done again. Once for each opened run, and for
   * one process at a time: whoever carries it has made sure of that.
   *
   * Rejects with the first failure of a step or item; the run is then as after a crash and can be opened again once the cause is mended.
   * Throws STATE_DATABASE_UNREACHABLE, STATE_DATABASE_LOST, STATE_OF_NEWER_VERSION, RUN_OF_OTHER_VERSION, RUN_TAKEN_OVER.
   */
  carry<T>(definition: RunDefinition<T>, carrying: Carrying): Promise<Ended<T>>;
  /** Does items of the run until `signal` is aborted. Rejects as `carry` does: the items that were not finished are left to others. */
  help(definition: ItemDefinition, carrying: Carrying): Promise<void>;
}

/** Opens a run. Returns at once: the state database gets ready while the caller looks at the environments. */
export function openRun(options: DurableOptions): OpenedRun {
  const { course } = queuesOf(options.run);
  const begunQueue = {
    workerConcurrency: 1,
    minPollingIntervalMs: BEGUN_POLL_MS,
    onConflict: "always_update",
  } as const;
  const workflows = new Workflows({ ...options, onFollow: () => DBOS.registerQueue(course, begunQueue) });
  const launched = launch(options);
  // Told to whoever carries the run; one that is not carried is only closed.
  launched.catch(() => {});
  let isClosed = false;
  const begin = (presence: Presence, definition: Course["definition"], { signal, admit }: Carrying) => {
    const gate = new Gate(signal);
    void presence.lost.then((problem) => gate.fail(problem));
    workflows.begin({ definition, gate, admit: async () => await admit?.(presence.orders) });
    return gate;
  };
  return {
    presence: launched,
    async carry<T>(definition: RunDefinition<T>, carrying: Carrying): Promise<Ended<T>> {
      const presence = await launched;
      await recover(options, presence);
      const gate = begin(presence, definition, carrying);
      const recovering = setInterval(() => {
        void recover(options, presence).catch(() => undefined);
      }, RECOVER_MS).unref();
      try {
        const ended = await Promise.race([attach<T>(options, workflows), gate.closed()]);
        if (ended !== undefined) return ended;
        if (gate.failure !== undefined) throw gate.failure.error;
        return { state: "stopped" };
      } finally {
        clearInterval(recovering);
      }
    },
    async help(definition, carrying) {
      const gate = begin(await launched, definition, carrying);
      await gate.closed();
      if (gate.failure !== undefined) throw gate.failure.error;
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      const presence = await launched.catch(() => undefined);
      await shutDown();
      await presence?.[Symbol.asyncDispose]();
    },
  };
}
