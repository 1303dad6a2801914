import { entities as allEntities } from "../airflow/entities/index.ts";
import type { Config } from "../domain/config.ts";
import { removeLedger } from "../engine/complete/evidence.ts";
import { allLanes } from "../engine/copy/copy-context.ts";
import { readTargetOwnedDags } from "../engine/copy/dag-owners.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { hasLedger, readPlannedSelection } from "../engine/copy/ledger.ts";
import * as problems from "../engine/copy/problems.ts";
import { type RemovedRows, removeCopied } from "../engine/copy/remove-copied.ts";
import { restoreAll } from "../engine/copy/restore-indexes.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import { NO_ID_RULES } from "../engine/translate/translate.ts";
import { openSides } from "./sides.ts";

/** What was removed of a copy, or would be. */
export interface RemovedCopy {
  readonly entities: readonly RemovedRows[];
  /** False: everything was only looked at, and is as it was. */
  readonly isRemoved: boolean;
}

export interface RemoveOptions {
  /** False: only what would be removed is told. */
  readonly isConfirmed: boolean;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly signal: AbortSignal;
}

/** Undoes the transaction that it is thrown in. */
class OnlyLooked extends Error {}

/**
 * Removes the rows that were copied and that the target has not changed since, puts indexes back, and removes the ledger: all in one transaction.
 * Sequences stay where they are. Throws CANCEL_*, APPLY_UNDER_WAY.
 */
export async function removeCopy(config: Config, options: RemoveOptions): Promise<RemovedCopy> {
  await using sides = await openSides(config, options);
  if (sides.upload !== undefined) throw problems.removeNeedsPostgres({ target: sides.target.label });
  await using _held = await holdTarget(sides.target, "cancel");
  await using target = await sides.target.session();
  const probed = await probeBoth(sides);
  const { identity } = probed.source.facts;
  const planned = (await hasLedger(target)) ? await readPlannedSelection(sides.target, identity) : undefined;
  if (planned === undefined) throw problems.nothingToRemove({ target: sides.target.label });
  const live = await readTargetOwnedDags(target, identity);
  if (live.length > 0) throw problems.removeOfLiveDags({ dags: live.join(", ") });
  // What is off of a load that did not end comes back first: a delete of children looks for their parents' keys.
  await restoreAll(target);
  const job = { sourceSide: probed.source.side, targetSide: probed.target.side, entities: allEntities };
  const translations = [...allLanes(job, NO_ID_RULES).values()].map(({ optimistic }) => optimistic);
  let entities: readonly RemovedRows[] = [];
  try {
    await target.transaction(async () => {
      entities = await removeCopied(target, translations, identity);
      if (!options.isConfirmed) throw new OnlyLooked();
      await removeLedger(target, identity);
    });
  } catch (error) {
    if (!(error instanceof OnlyLooked)) throw error;
  }
  return { entities, isRemoved: options.isConfirmed };
}
