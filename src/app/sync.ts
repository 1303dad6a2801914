import { randomUUID } from "node:crypto";
import { entities } from "../airflow/entities/index.ts";
import type { Config } from "../domain/config.ts";
import type { Finding } from "../domain/finding.ts";
import type { EventSink } from "../domain/run-event.ts";
import type { Selection } from "../domain/selection.ts";
import { holdTarget } from "../engine/copy/hold-target.ts";
import { readPlannedSelection } from "../engine/copy/ledger.ts";
import { assertLanded } from "../engine/land/land.ts";
import { conflictsNow, probeBoth } from "../engine/plan/make-plan.ts";
import type { Deletions } from "../engine/sync/deletions.ts";
import { targetNotPostgres } from "../engine/sync/problems.ts";
import { runSync, type SyncSummary } from "../engine/sync/sync.ts";
import { migrationJob, planJob } from "./jobs.ts";
import { openSides } from "./sides.ts";

export interface SyncOptions {
  readonly deletions: Deletions;
  /** True: what the configuration selects now; false: what was planned. */
  readonly isReselected: boolean;
  readonly version: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/** What a delta brought, and what it left as it is on the target. */
export interface Synced {
  readonly summary: SyncSummary;
  readonly findings: readonly Finding[];
}

/** What both sides have with different values stays the target's: nobody is asked while a source goes on working. */
function keepingTarget(selection: Selection): Selection {
  const kinds = entities.filter((entity) => entity.load === "merge" || entity.id === "dag_run");
  const kept = Object.fromEntries(kinds.map((entity) => [entity.id, "keep-target" as const]));
  return { ...selection, onConflict: { ...kept, ...selection.onConflict } };
}

/** Brings what changed on the source since the last copy or delta. Throws SYNC_*, LANDING_UNFIT, APPLY_UNDER_WAY. */
export async function sync(config: Config, options: SyncOptions): Promise<Synced> {
  await using sides = await openSides(config, options);
  if (sides.upload !== undefined) throw targetNotPostgres({ label: sides.target.label });
  assertLanded(sides.findings);
  await using _held = await holdTarget(sides.target, "sync");
  const run = randomUUID();
  const opened = planJob(config, sides, { acceptLoss: true, now: options.now, version: options.version, id: run });
  const probed = await probeBoth(opened);
  const planned = options.isReselected
    ? undefined
    : await readPlannedSelection(sides.target, probed.source.facts.identity);
  const selection = planned ?? config.select;
  const { settled, findings } = await conflictsNow({ ...opened, selection: keepingTarget(selection) }, probed);
  const summary = await runSync({
    ...migrationJob(config, sides, { probed, selection }),
    run,
    conflicts: settled,
    now: options.now,
    deletions: options.deletions,
    lanes: config.lanes,
    signal: options.signal,
    onEvent: options.onEvent,
  });
  return { summary, findings };
}
