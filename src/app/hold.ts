import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import type { Config } from "../domain/config.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { giveWord, openHold } from "../engine/cutover/hold.ts";
import * as problems from "../engine/cutover/problems.ts";
import { AT_ONCE } from "../engine/cutover/wave.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import { openDagDeltas } from "../engine/sync/sync-dag.ts";
import { type CutoverOptions, jobOf } from "./cutover.ts";
import { openSides } from "./sides.ts";

export type HoldOptions = Pick<CutoverOptions, "who" | "homeDir" | "signal" | "onEvent">;

/** How old rows on the target may become while it is waited, and how long a word may take to be heard. */
const REFRESH_MS = 60_000;
const POLL_MS = 1000;

/**
 * Brings DAGs up to date, and keeps them so, until somebody gives the word; pauses nothing. Gives who that was. No apply and no sync can begin
 * meanwhile. Throws CUTOVER_HOLD_ENDED where it is stopped first, SYNC_*.
 */
export async function holdCutover(config: Config, dagIds: readonly string[], options: HoldOptions): Promise<string> {
  await using resources = new AsyncDisposableStack();
  const lanes = (config.lanes + 1) * AT_ONCE;
  const sides = resources.use(await openSides({ ...config, lanes }, { homeDir: options.homeDir }));
  if (sides.upload !== undefined || sides.source.landed !== undefined) throw problems.needsPostgres({});
  resources.use(await holdTarget(sides.target, "cutover"));
  const probed = await probeBoth(sides);
  const source = probed.source.facts.identity;
  const deltas = await openDagDeltas(await jobOf({ config, sides, probed, resources }));
  const hold = resources.use(await openHold(sides.target, { source, who: options.who, dags: dagIds }));
  const limit = pLimit(AT_ONCE);
  for (;;) {
    const brought = await Promise.all(dagIds.map((dagId) => limit(() => deltas.bring(dagId))));
    for (const { dag, inserted, updated } of brought) {
      const what = `${inserted} new and ${updated} changed rows brought; waits for crosswind cutover --go`;
      options.onEvent({ dagId: dag, state: "ready", what });
    }
    const by = await wordWithin(REFRESH_MS, () => hold.goneBy(), options.signal);
    if (by !== undefined) return by;
  }
}

async function wordWithin(
  ms: number,
  ask: () => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let waited = 0; waited < ms; waited += POLL_MS) {
    const by = await ask();
    if (by !== undefined) return by;
    if (signal.aborted) throw problems.holdEnded({});
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Lets the cutover go on that waits. Gives its DAGs. Throws CUTOVER_NOTHING_HELD. */
export async function letGo(
  config: Config,
  { who, homeDir }: Pick<HoldOptions, "who" | "homeDir">,
): Promise<readonly string[]> {
  await using sides = await openSides(config, { homeDir });
  if (sides.upload !== undefined || sides.source.landed !== undefined) throw problems.needsPostgres({});
  const { source } = await probeBoth(sides);
  return await giveWord(sides.target, source.facts.identity, who);
}
