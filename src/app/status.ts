import { openPostgres } from "../databases/postgres/postgres.ts";
import { isRaw } from "../databases/raw.ts";
import type { Config } from "../domain/config.ts";
import { type MigrationStatus, readStatus } from "../engine/copy/read-status.ts";
import { type HeldHorizon, readHeldHorizon } from "../engine/probe/vacuum-horizon.ts";
import { openTargetStatus } from "./sides.ts";

/** The migration's state, and for whom the source's server keeps dead rows while a run is not finished. */
export interface ShownStatus extends MigrationStatus {
  /** Of a read snapshot of ours on the source; undefined where none is open, or the source can not be asked. */
  readonly heldHorizon?: HeldHorizon;
}

/** Asked only while a run is not finished, and no reason to fail: the target's ledger is what the status is about. */
async function readHeldByUs({ source }: Config): Promise<HeldHorizon | undefined> {
  if (isRaw(source.database)) return undefined;
  try {
    await using database = openPostgres({ url: source.database, name: "source", readOnly: true, maxSessions: 1 });
    await using session = await database.session();
    const held = await readHeldHorizon(session);
    return held?.isOurs === true ? held : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what the ledger says. `homeDir`: the folder of `.crosswind/`. */
export async function readMigrationStatus(config: Config, homeDir: string): Promise<ShownStatus> {
  await using target = await openTargetStatus(config, { homeDir });
  await using session = await target.session();
  const status = await readStatus(session);
  const isUnfinished = status.runs.some(({ finishedAt }) => finishedAt === null);
  const heldHorizon = isUnfinished ? await readHeldByUs(config) : undefined;
  return { ...status, ...(heldHorizon === undefined ? {} : { heldHorizon }) };
}
