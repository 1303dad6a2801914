/** Never settles: the workflow stays pending in the state database, as after a crash, and the next life finds it so. */
export function leavePending(): Promise<never> {
  return new Promise<never>(() => {});
}

/**
 * Counts what is under way and holds on to the first failure. A failure is kept out of the state database: recorded there, it would be given
 * again after its cause was mended.
 */
export class Gate {
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

  /** What is waited for before the gate: given up, as if the process had died there, when the gate closes meanwhile. */
  async wait<R>(until: () => Promise<R>): Promise<R> {
    if (this.isClosed) return await leavePending();
    try {
      return await until();
    } catch (error) {
      this.fail(error);
    }
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
