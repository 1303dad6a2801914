import { AsyncLocalStorage } from "node:async_hooks";
import { DBOS, type WorkflowHandle } from "@dbos-inc/dbos-sdk";
import pLimit, { type LimitFunction } from "p-limit";
import type { DurableRun, ItemDefinition, RunDefinition, WorkItem } from "../ports/durable.ts";
import { type Gate, leavePending } from "./gate.ts";

/** How often the result of what has just ended here is looked for, and how often that of what another process may be doing. */
export const RESULT_POLL_MS = 25;
const OTHERS_RESULT_POLL_MS = 100;
const MOST_LIVES = 1_000_000;

/** The queues of a run: nobody but its carrier listens to the first one. */
export function queuesOf(run: string): { readonly course: string; readonly items: string } {
  return { course: `course of ${run}`, items: `items of ${run}` };
}

/** What a run is to do in this process, known once its job is. A worker has no course. */
export interface Course {
  readonly definition: RunDefinition<unknown> | ItemDefinition;
  readonly gate: Gate;
  /** Resolves when an item may begin; what it gives is disposed of when the item has ended. */
  readonly admit: () => Promise<AsyncDisposable | undefined>;
}

export interface WorkflowsOptions {
  readonly run: string;
  /** Items at once. */
  readonly lanes: number;
  /** Called when the course has begun here. */
  readonly onFollow: () => Promise<unknown>;
}

/** The workflows of a run, registered with DBOS: its course, and its items. */
export class Workflows {
  readonly #run: string;
  readonly #begun = Promise.withResolvers<Course>();
  readonly #item: (item: WorkItem) => Promise<unknown>;
  readonly #lanes: LimitFunction;
  /** By workflow: resolved when this process has done the item. */
  readonly #ended = new Map<string, PromiseWithResolvers<void>>();
  readonly #outside = AsyncLocalStorage.snapshot();
  readonly #followed = Promise.withResolvers<void>();
  readonly #onFollow: () => Promise<unknown>;
  readonly course: () => Promise<unknown>;

  constructor({ run, lanes, onFollow }: WorkflowsOptions) {
    this.#run = run;
    this.#onFollow = onFollow;
    this.#lanes = pLimit(lanes);
    this.#item = DBOS.registerWorkflow((item: WorkItem) => this.#do(item), {
      name: "item",
      maxRecoveryAttempts: MOST_LIVES,
    });
    this.course = DBOS.registerWorkflow(() => this.#follow(), { name: "run", maxRecoveryAttempts: MOST_LIVES });
  }

  /** What was recovered of an earlier life waits for this. */
  begin(course: Course): void {
    this.#begun.resolve(course);
  }

  /** Resolves when the course has come to its end in this process. */
  get followed(): Promise<void> {
    return this.#followed.promise;
  }

  /** The lane is taken outside of the gate: what waits for one is not under way, and is not begun when the gate closes meanwhile. */
  async #do(item: WorkItem): Promise<unknown> {
    const { definition, gate, admit } = await this.#begun.promise;
    const work = async () => {
      await gate.wait(async () => await definition.ready?.());
      await using _permit = await gate.wait(admit);
      return await gate.pass(() => definition.item(item));
    };
    const result = await DBOS.runStep(() => this.#lanes(work), { name: item.kind });
    this.#ended.get(this.#idOf(item))?.resolve();
    return result;
  }

  async #follow(): Promise<unknown> {
    const { definition, gate } = await this.#begun.promise;
    if (!("run" in definition)) return await leavePending();
    void this.#outside(this.#onFollow).catch(() => undefined);
    const durable: DurableRun = {
      id: this.#run,
      step: (name, work) => DBOS.runStep(() => gate.pass(work), { name }),
      everyLife: (work) => gate.pass(work),
      all: async (items) => await (await this.#begin(items))(),
      begin: (items) => this.#begin(items),
    };
    try {
      const result = await definition.run(durable);
      this.#followed.resolve();
      return result;
    } catch (error) {
      gate.fail(error);
      return await leavePending();
    }
  }

  #idOf(item: WorkItem): string {
    return `${this.#run} ${item.key}`;
  }

  async #begin(items: readonly WorkItem[]): Promise<() => Promise<readonly unknown[]>> {
    const handles: WorkflowHandle<unknown>[] = [];
    for (const item of items) {
      const workflowID = this.#idOf(item);
      this.#ended.set(workflowID, Promise.withResolvers());
      const queueName = queuesOf(this.#run).items;
      handles.push(await DBOS.startWorkflow(this.#item, { workflowID, queueName })(item));
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
