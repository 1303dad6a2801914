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
  /** Does the work in every life of the run, and not any more once this process has no part in it. */
  everyLife<T>(work: () => Promise<T>): Promise<T>;
  /** Hands the items to the queue and waits for all; results in the order of the items. */
  all(items: readonly WorkItem[]): Promise<readonly unknown[]>;
  /**
   * Hands the items to the queue, which gives them out in the order they came in. What it gives waits for all of them: results in the order of
   * the items.
   */
  begin(items: readonly WorkItem[]): Promise<() => Promise<readonly unknown[]>>;
}

/** How one item of a run is done (at least once: a crash may repeat it). */
export interface ItemDefinition {
  /** Resolves when items can be done. Default: at once. */
  ready?(): Promise<void>;
  item(item: WorkItem): Promise<unknown>;
}

/** What a run does: its course, and its items. */
export interface RunDefinition<T> extends ItemDefinition {
  run(durable: DurableRun): Promise<T>;
}

/** The speed that a run may have: what all its workers share. */
export interface Throttle {
  /** Takes a share of what may be read and written; resolves when as much may go on. Rejects when `signal` is aborted. */
  bytes(count: number): Promise<void>;
  rows(count: number): Promise<void>;
}
