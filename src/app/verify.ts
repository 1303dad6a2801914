import type { Config } from "../domain/config.ts";
import type { EventSink } from "../domain/run-event.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { readPlannedSelection } from "../engine/copy/ledger.ts";
import { assertLanded } from "../engine/land/land.ts";
import { conflictsNow, type Probed, probeBoth } from "../engine/plan/make-plan.ts";
import { repairNeedsPostgres } from "../engine/verify/problems.ts";
import type { VerifyReport } from "../engine/verify/report.ts";
import type { VerifyJob } from "../engine/verify/verify-context.ts";
import { verifyCopy } from "../engine/verify/verify-copy.ts";
import { migrationJob, planJob } from "./jobs.ts";
import { KeptComparison } from "./kept-comparison.ts";
import { openSides } from "./sides.ts";

export interface VerifyOptions {
  /** Patterns of DAGs; default: everything that was copied. */
  readonly dags?: readonly string[];
  /** The share of the rows that is compared, in percent. Default: all. */
  readonly samplePercent?: number;
  /** Go on with a comparison of everything that was stopped or killed. Default: from the beginning. */
  readonly isResumed?: boolean;
  /** Default: nothing is written. */
  readonly repair?: NonNullable<VerifyJob["repair"]>;
  readonly now: () => Date;
  /** The folder of `.crosswind/`. Default: the current one. */
  readonly homeDir?: string;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/** A part is compared again sooner than it is remembered. */
async function keptOf(options: VerifyOptions, { source, target }: Probed): Promise<KeptComparison | undefined> {
  const { homeDir, dags, samplePercent, isResumed = false, now } = options;
  if (homeDir === undefined || dags !== undefined || samplePercent !== undefined) return undefined;
  const pair = JSON.stringify([source.facts, target.facts].map(({ identity, server }) => [identity, server]));
  return await KeptComparison.open({ homeDir, pair, isResumed, now });
}

/**
 * Compares what was copied with the source, and repairs it where asked to; else it writes nothing. Throws LANDING_UNFIT,
 * VERIFY_REPAIR_NEEDS_POSTGRES, TARGET_KEY_UNFIT and APPLY_UNDER_WAY where something is to be repaired, and whatever stops the comparison.
 */
export async function verifyEnvironment(config: Config, options: VerifyOptions): Promise<VerifyReport> {
  await using sides = await openSides(config, options);
  assertLanded(sides.findings);
  if (options.repair !== undefined && sides.upload !== undefined)
    throw repairNeedsPostgres({ target: sides.target.label });
  await using _held = options.repair === undefined ? undefined : await holdTarget(sides.target, "verify --repair");
  const probed = await probeBoth(sides);
  // What was copied is compared, also where the configuration has been changed since, or flags had narrowed the plan.
  const select = (await readPlannedSelection(sides.target, probed.source.facts.identity)) ?? config.select;
  if (options.repair !== undefined) {
    const opened = planJob(config, sides, { acceptLoss: true, now: options.now(), version: "", id: "" });
    await conflictsNow({ ...opened, selection: select }, probed);
  }
  const kept = await keptOf(options, probed);
  const job = { ...migrationJob(config, sides, { probed, selection: select }), ...options, lanes: config.lanes };
  const report = await verifyCopy({ ...job, ...(kept === undefined ? {} : { kept }) });
  await kept?.forget();
  return report;
}
