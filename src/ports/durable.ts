/** A piece of work that any worker may do; `key` is unique within the run. `payload` is plain JSON. */
export interface WorkItem {
  readonly kind: string;
  readonly key: string;
  readonly payload: unknown;
}

/**
 * A run that survives its process. After a crash the definition's `run` is called again from the top: steps and items that were finished
 * give their recorded results without being done again, so everything between them must be the same each time.
 */
export interface DurableRun {
  readonly id: string;
  /** Does the work once and records its result, which must be plain JSON. A crash in the middle does it again. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Hands the items to the queue and waits for all; results in the order of the items. */
  all(items: readonly WorkItem[]): Promise<readonly unknown[]>;
  /**
   * Hands the items to the queue, which gives them out in the order they came in. What it gives waits for all of them: results in the order of
   * the items.
   */
  begin(items: readonly WorkItem[]): Promise<() => Promise<readonly unknown[]>>;
}

/** What a run does: its course, and how one of its items is done (at least once: a crash may repeat it). */
export interface RunDefinition<T> {
  run(durable: DurableRun): Promise<T>;
  item(item: WorkItem): Promise<unknown>;
}
