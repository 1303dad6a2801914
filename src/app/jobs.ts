import { type CodecContext, parseFernetKeys } from "../airflow/codecs/index.ts";
import type { Config } from "../domain/config.ts";
import type { Selection } from "../domain/selection.ts";
import type { MigrationJob } from "../engine/copy/copy-context.ts";
import { selectedEntities } from "../engine/plan/make-plan.ts";
import type { PlanJob } from "../engine/plan/plan-job.ts";
import type { ProbedSide } from "../engine/probe/probe-side.ts";
import type { Sides } from "./sides.ts";

/** What a plan is made from, of opened sides. */
export function planJob(
  config: Config,
  sides: Sides,
  options: Pick<PlanJob, "acceptLoss" | "now" | "id" | "version">,
): PlanJob {
  return {
    source: sides.source,
    target: sides.target,
    ...(sides.upload === undefined ? {} : { targetTables: sides.upload.tables }),
    ...(config.source.fernetKey === undefined ? {} : { sourceKeys: config.source.fernetKey }),
    ...(config.target.fernetKey === undefined ? {} : { targetKeys: config.target.fernetKey }),
    selection: config.select,
    ...options,
  };
}

/** Both sides' Fernet keys, as a copy from source to target needs them. */
function codecContext(config: Config): CodecContext {
  const [source, target] = [config.source.fernetKey, config.target.fernetKey];
  return {
    ...(source === undefined ? {} : { sourceKeys: parseFernetKeys(source) }),
    ...(target === undefined ? {} : { targetKeys: parseFernetKeys(target) }),
  };
}

interface Known {
  readonly probed: { readonly source: ProbedSide; readonly target: ProbedSide };
  readonly selection: Selection;
}

/** What a copy and its verification have in common, but for where their events go. */
export function migrationJob(
  config: Config,
  sides: Sides,
  { probed, selection }: Known,
): Omit<MigrationJob, "onEvent"> {
  return {
    source: sides.source,
    target: sides.target,
    sourceSide: probed.source.side,
    targetSide: probed.target.side,
    identity: probed.source.facts.identity,
    entities: selectedEntities(selection.entities),
    selection,
    codecs: codecContext(config),
  };
}
