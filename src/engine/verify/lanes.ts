import pLimit, { type LimitFunction } from "p-limit";

/** A comparison that was stopped, by a failure elsewhere or by its user: never shown, the first reason is. */
export class Stopped extends Error {}

/**
 * How many statements a comparison runs at once on each side. After the first failure, or once the signal is aborted, nothing new begins:
 * it throws {@link Stopped}.
 */
export class VerifyLanes {
  readonly #source: LimitFunction;
  readonly #target: LimitFunction;
  readonly #details: LimitFunction = pLimit(1);
  readonly #signal: AbortSignal | undefined;
  #failure: unknown;

  constructor(lanes: number, signal: AbortSignal | undefined) {
    this.#source = pLimit(lanes);
    this.#target = pLimit(lanes);
    this.#signal = signal;
  }

  /** What failed first. */
  get failure(): unknown {
    return this.#failure;
  }

  source<T>(work: () => Promise<T>): Promise<T> {
    return this.#source(() => this.#guarded(work));
  }

  target<T>(work: () => Promise<T>): Promise<T> {
    return this.#target(() => this.#guarded(work));
  }

  /** Work that needs a place on both sides: the source's first, always, so that no two wait for each other. */
  both<T>(work: () => Promise<T>): Promise<T> {
    return this.#source(() => this.#target(() => this.#guarded(work)));
  }

  /** The same for one at a time: it takes two sessions of the target. */
  details<T>(work: () => Promise<T>): Promise<T> {
    return this.#details(() => this.both(work));
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined || this.#signal?.aborted === true) throw new Stopped("stopped");
    try {
      return await work();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }
}
