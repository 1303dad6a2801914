import { openRawSource, openRawTarget } from "../databases/raw.ts";
import { openStaging, removeStagings } from "../databases/staging/staging.ts";
import type { Config } from "../domain/config.ts";
import { ledgerOf } from "../engine/upload/land-target.ts";

interface Place {
  /** The source database's identity, as the ledger knows it. */
  readonly identity: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
}

/** What was removed of sides that are no Postgres. */
export interface RemovedLanded {
  /** The target's ledger is gone. */
  readonly ledger: boolean;
  /** Databases in staging. */
  readonly databases: number;
}

/** True where the ledger of a target is removed, or there is none; it stays where another source has a run in it. */
async function removeLedger(config: Config, { identity, homeDir }: Place): Promise<boolean | undefined> {
  await using resources = new AsyncDisposableStack();
  const raw = openRawTarget({ url: config.target.database, folder: homeDir });
  if (raw === undefined) return undefined;
  resources.use(raw);
  const place = { source: raw.address, server: config.staging, homeDir, purpose: "target" };
  const home = resources.use(await openStaging(place));
  const ledger = await ledgerOf(raw, home.database);
  const runs = (await ledger.read())?.tables["run"] ?? [];
  if (runs.some((run) => (JSON.parse(run) as { source?: unknown }).source !== identity)) return false;
  await ledger.remove();
  return true;
}

/** Removes what Crosswind keeps of sides that are no Postgres: the target's ledger, and what was landed of both. */
export async function removeLanded(config: Config, place: Place): Promise<RemovedLanded> {
  const { homeDir } = place;
  const ledger = await removeLedger(config, place);
  const target = openRawTarget({ url: config.target.database, folder: homeDir });
  const source = openRawSource({ url: config.source.database, name: "source", folder: homeDir });
  // A ledger that stays may be one in staging.
  const landed = [
    ...(source === undefined ? [] : [source]),
    ...(target === undefined || ledger === false ? [] : [target]),
  ];
  let databases = 0;
  for (const { address } of landed) {
    databases += await removeStagings({ source: address, server: config.staging, homeDir });
  }
  await target?.[Symbol.asyncDispose]();
  return { ledger: ledger === true, databases };
}
