import type { Finding } from "../../domain/finding.ts";
import { isInRange } from "../../domain/release.ts";
import { openCodec } from "../copy/columns.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { identifier } from "../translate/translate.ts";
import { enumerate, type PlanCheck, subjectsOf, withoutFlags } from "./plan-job.ts";

/** Names in the sentence itself; the finding's subjects have all. */
const MOST_NAMED = 20;

/** Values that the target's column takes and its Airflow does not. */
export const checkWanted: PlanCheck = async (context) => {
  const { target, resolved, dagRun, sourceKeys } = context;
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    const { entity } = translation;
    const where = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
    for (const [name, { wants }] of Object.entries(entity.fields)) {
      if (wants === undefined || !isInRange(target.side.release, wants.to)) continue;
      const judge = openCodec(wants.codec, sourceKeys === undefined ? {} : { sourceKeys });
      const rows = await context.sourceSession.query<{ label: string; value: string }>(
        `select c.${identifier(entity.key[0] as string)}::text as label, c.${identifier(name)} as value
         from (${translation.canonical()}) c where c.${identifier(name)} is not null and ${where ?? "true"} order by 1`,
      );
      const labels = rows
        .filter(({ value }) => judge(Buffer.from(value, "utf8")).problem !== undefined)
        .map(({ label }) => label);
      if (labels.length === 0) continue;
      findings.push({
        code: "VALUE_NOT_AS_WANTED",
        severity: "warning",
        entity: entity.id,
        what: `${labels.length} of ${entity.title.toLowerCase()} ${wants.what} (${enumerate(labels, MOST_NAMED)})`,
        next: [...wants.next, `or leave them out: ${withoutFlags(entity.id, labels)}`],
        ...subjectsOf(
          labels.map((label) => `${entity.id}:${label}`),
          labels.length,
        ),
      });
    }
  }
  return findings;
};
