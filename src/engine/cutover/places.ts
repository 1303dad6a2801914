/** DAGs that are paused and not finished yet: no more than are finished at once, or the last ones of a large wave would be paused for minutes. */
export class Places {
  readonly #taken = new Set<string>();
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  /** False where none is free. One that has a place keeps it. */
  take(dagId: string): boolean {
    if (!this.#taken.has(dagId) && this.#taken.size >= this.#count) return false;
    this.#taken.add(dagId);
    return true;
  }

  give(dagId: string): void {
    this.#taken.delete(dagId);
  }
}
