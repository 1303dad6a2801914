import type { Finding } from "../../domain/finding.ts";
import { isInRange } from "../../domain/release.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import type { PlanCheck } from "./plan-job.ts";

/** Rows that the target's Airflow reads only with a setting of its own. */
export const checkNeededSettings: PlanCheck = async (context) => {
  const { source, target, resolved, dagRun } = context;
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    const { entity } = translation;
    const rows = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
    for (const { from, to, where, what, next } of entity.needs ?? []) {
      if (!isInRange(source.side.release, from) || !isInRange(target.side.release, to)) continue;
      const [row] = await context.sourceSession.query<{ n: string }>(
        `select count(*) as n from (${translation.canonical()}) c where ${where} and ${rows ?? "true"}`,
      );
      const count = Number(row?.n ?? 0);
      if (count === 0) continue;
      findings.push({
        code: "TARGET_NEEDS_SETTING",
        severity: "warning",
        entity: entity.id,
        what: `${count} ${entity.title} ${what}`,
        next,
      });
    }
  }
  return findings;
};
