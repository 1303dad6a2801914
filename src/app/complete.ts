import { openPostgres } from "../databases/postgres/postgres.ts";
import { isRaw } from "../databases/raw.ts";
import type { Config } from "../domain/config.ts";
import { decommissionSteps } from "../engine/complete/decommission.ts";
import { type Evidence, readMigration, readSourceUse, removeLedger } from "../engine/complete/evidence.ts";
import * as problems from "../engine/complete/problems.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { hasLedger, readPlannedSelection } from "../engine/copy/ledger.ts";
import { restoreAll } from "../engine/copy/restore-indexes.ts";
import { isHalfDone } from "../engine/cutover/switch-state.ts";
import { assertLanded } from "../engine/land/land.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import { allDiffering } from "../engine/verify/report.ts";
import { verifyCopy } from "../engine/verify/verify-copy.ts";
import { openControl } from "./control.ts";
import { migrationJob } from "./jobs.ts";
import { openSides } from "./sides.ts";

export interface CompleteOptions {
  readonly who: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  /** Why differences that are left are accepted. */
  readonly accepted?: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** Compares everything once more and gathers what was done; removes nothing. Throws COMPLETE_*, and what stops the comparison. */
export async function gatherEvidence(config: Config, options: CompleteOptions): Promise<Evidence> {
  await using sides = await openSides(config, options);
  assertLanded(sides.findings);
  await using session = await sides.target.session();
  if (!(await hasLedger(session))) throw problems.nothingToComplete({ target: sides.target.label });
  await using _held = await holdTarget(sides.target, "complete");
  await restoreAll(session);
  const probed = await probeBoth(sides);
  const { identity } = probed.source.facts;
  const record = await readMigration(session, identity);
  const underWay = record.switches.filter(isHalfDone).map(({ dagId }) => dagId);
  if (underWay.length > 0) throw problems.switchUnderWay({ dags: underWay.join(", ") });
  const selection = (await readPlannedSelection(sides.target, identity)) ?? config.select;
  const job = { ...migrationJob(config, sides, { probed, selection }), onEvent: () => {} };
  const report = await verifyCopy({ ...job, now: options.now, signal: options.signal });
  const differences = allDiffering(report);
  if (differences > 0 && options.accepted === undefined) throw problems.differencesLeft({ count: differences });
  await using source = await sides.source.session();
  const at = options.now().toISOString();
  const sourceUse = await readSourceUse(source);
  return {
    identity,
    source: probed.source.facts.label,
    target: probed.target.facts.label,
    airflow: { source: probed.source.facts.airflow, target: probed.target.facts.airflow },
    at,
    who: options.who,
    planned: selection,
    ...record,
    verified: { rows: report.rows, differences, seconds: report.seconds },
    ...(options.accepted === undefined ? {} : { accepted: options.accepted }),
    sourceUse,
    decommission: decommissionSteps(sourceUse, at),
  };
}

/** Takes away the end dates that a drain left: DAGs that are paused stay so. */
export async function liftEndDates(
  config: Config,
  { switches }: Pick<Evidence, "switches">,
  signal: AbortSignal,
): Promise<void> {
  const sides = (["source", "target"] as const).filter((side) =>
    switches.some(({ endDate }) => endDate?.side === side),
  );
  for (const side of sides) {
    await using control = await openControl(config, side, signal);
    await control.writeEndDates({}, signal);
  }
}

/** Removes what Crosswind keeps in databases that are a Postgres. Gives the sides that had something. */
export async function removeRecords(config: Config, identity: string): Promise<readonly ("source" | "target")[]> {
  const removed: ("source" | "target")[] = [];
  for (const name of ["source", "target"] as const) {
    const url = config[name].database;
    if (isRaw(url)) continue;
    await using database = openPostgres({ url, name });
    await using _held = await holdTarget(database, "complete");
    await using session = await database.session();
    const isGone = await session.transaction(() => removeLedger(session, identity));
    if (isGone) removed.push(name);
  }
  return removed;
}
