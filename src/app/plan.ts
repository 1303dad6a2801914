import { randomUUID } from "node:crypto";
import { assertFitTarget } from "../databases/raw.ts";
import type { Config } from "../domain/config.ts";
import type { Plan } from "../domain/plan.ts";
import { makePlan } from "../engine/plan/make-plan.ts";
import type { PlanJob } from "../engine/plan/plan-job.ts";
import { planJob } from "./jobs.ts";
import { type OpenOptions, openSides } from "./sides.ts";

export interface PlanOptions extends Pick<PlanJob, "acceptLoss" | "now" | "version">, OpenOptions {
  /** Also for a target that is not meant for production. Default: false. */
  readonly isForced?: boolean;
}

/** Reads both sides and makes a plan; writes nothing to them. Throws TARGET_IS_SQLITE, and whatever stops the reading. */
export async function plan(config: Config, options: PlanOptions): Promise<Plan> {
  const { isForced = false } = options;
  assertFitTarget(config.target.database, { isForced });
  await using sides = await openSides(config, options);
  const { acceptLoss, now, version } = options;
  const made = await makePlan(planJob(config, sides, { acceptLoss, now, version, id: randomUUID() }));
  assertFitTarget(config.target.database, { isForced, release: made.target.release });
  return { ...made, findings: [...(sides.upload?.missing ?? []), ...sides.findings, ...made.findings] };
}
