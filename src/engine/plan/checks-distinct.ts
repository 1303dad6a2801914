import type { Finding } from "../../domain/finding.ts";
import { isInRange } from "../../domain/release.ts";
import { copiedRows, exclusionsFor, namesOf } from "../select/filters.ts";
import { identifier } from "../translate/translate.ts";
import { enumerate, type PlanCheck, subjectsOf, withoutFlags } from "./plan-job.ts";

/** Rows in the sentence and among its subjects; more of them are one and the same mistake. */
const MOST_TOLD = 100;

/** Rows of the source that share what the target lets only one row have: its unique index would refuse the second one. */
export const checkDistinct: PlanCheck = async (context) => {
  const { target, resolved, dagRun } = context;
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    const { entity } = translation;
    const where = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
    for (const { by } of (entity.distinct ?? []).filter(({ to }) => isInRange(target.side.release, to))) {
      const shared = by.map((field) => `c.${identifier(field)}`);
      const rows = `(${translation.canonical()}) c where ${shared.map((field) => `${field} is not null`).join(" and ")} and ${where ?? "true"}`;
      // Names are put together only where some share: for all rows, that costs more than the search.
      const found = await context.sourceSession.query<{ label: string }>(
        `select ${namesOf(translation).at(-1)} as label from ${rows}
         and (${shared.join(", ")}) in (select ${shared.join(", ")} from ${rows} group by ${shared.join(", ")} having count(*) > 1)
         order by 1 limit ${MOST_TOLD}`,
      );
      if (found.length === 0) continue;
      const labels = found.map(({ label }) => label);
      findings.push({
        code: "ROWS_NOT_DISTINCT",
        severity: "blocker",
        entity: entity.id,
        what: `${entity.title} share what the target lets only one have (${by.join(", ")}): ${enumerate(labels)}`,
        next: [
          "change or remove all but one of them on the source",
          `or leave out all but one, with everything that belongs to them: ${withoutFlags(entity.id, labels.slice(0, 1))}`,
        ],
        ...subjectsOf(labels.map((label) => `${entity.id}:${label}`)),
      });
    }
  }
  return findings;
};
