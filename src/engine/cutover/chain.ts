/** How one DAG of a chain is switched. */
export interface ChainSteps {
  /** Drains it; false where it stays where it is. */
  readonly drain: (dagId: string) => Promise<boolean>;
  /** From drained to the end. */
  readonly finish: (dagId: string) => Promise<unknown>;
  /** Restores those of them that set out; `reason` is told of each. */
  readonly restore: (dagIds: readonly string[], reason: string) => Promise<void>;
}

const TIED = "a DAG that it is tied to was not switched";

/** All, to their ends; then the first failure is thrown. */
async function all<R>(dagIds: readonly string[], work: (dagId: string) => Promise<R>): Promise<readonly R[]> {
  const ends = await Promise.allSettled(dagIds.map(work));
  return ends.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}

/**
 * Switches DAGs that start each other, in `levels` of which each is started by those before it. Whoever starts others is drained first, so that they
 * still run what it has started, and goes live last, so that nobody is paused when it does. Where one is not drained, all stay; once all are, each is
 * finished, whatever becomes of the others: nobody is left paused on both sides.
 */
export async function switchChain(levels: readonly (readonly string[])[], steps: ChainSteps): Promise<void> {
  const chain = levels.flat();
  for (const level of levels) {
    const drained = await all(level, steps.drain).catch(async (error: unknown) => {
      await steps.restore(chain, TIED);
      throw error;
    });
    if (!drained.every(Boolean)) return await steps.restore(chain, TIED);
  }
  const failures: unknown[] = [];
  for (const level of levels.toReversed())
    await all(level, steps.finish).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
