import type { Finding } from "../../domain/finding.ts";
import { codecInput } from "../copy/columns.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { NO_ID_RULES, type Translation, translate } from "../translate/translate.ts";
import { enumerate, type PlanCheck, type PlanContext, subjectsOf, withoutFlags } from "./plan-job.ts";
import { type ComparableRow, readObjects } from "./read-objects.ts";

/** Names in the sentence itself; the finding's subjects have all. */
const MOST_NAMED = 20;

function holdsSecrets(translation: Translation): boolean {
  return translation.columns.some((column) => column.codec === "secret");
}

/** The source's rows as the target would have them, as far as the ids that they refer to are known before a copy. */
function asOnTarget({ source, target, ids }: PlanContext, { entity }: Translation): Translation | undefined {
  return translate(entity, { source: source.side, target: target.side, ids, optimistic: true, codecInput });
}

const NONE: ReadonlySet<string> = new Set();

/** Objects of the source that are selected, but for those of the keys `without`. */
export async function sourceObjects(
  context: PlanContext,
  translation: Translation,
  without = NONE,
): Promise<readonly ComparableRow[]> {
  const { dagRun, resolved, target } = context;
  const where = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
  const codecs = {
    digestKey: context.digestKey,
    ...(context.sourceKeys === undefined ? {} : { sourceKeys: context.sourceKeys }),
  };
  const asked = asOnTarget(context, translation) ?? translation;
  return await readObjects(context.sourceSession, asked, { where, codecs, without });
}

function onTarget(context: PlanContext, translation: Translation): Translation | undefined {
  const { side } = context.target;
  return translate(translation.entity, { source: side, target: side, ids: NO_ID_RULES, optimistic: true, codecInput });
}

/** Objects of the target, but for those of the keys `without`. */
export async function targetObjects(
  context: PlanContext,
  translation: Translation,
  without = NONE,
): Promise<readonly ComparableRow[]> {
  const own = onTarget(context, translation);
  if (own === undefined) return [];
  const codecs = {
    digestKey: context.digestKey,
    ...(context.targetKeys === undefined ? {} : { sourceKeys: context.targetKeys }),
  };
  return await readObjects(context.targetSession, own, { where: undefined, codecs, without });
}

/** Every Fernet token of the source is tried before anything is written: what can not be decrypted can not be used either. */
export const checkSecrets: PlanCheck = async (context) => {
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    if (!holdsSecrets(translation)) continue;
    const { entity } = translation;
    const unreadable = (await sourceObjects(context, translation))
      .filter((row) => row.unreadable.length > 0)
      .map((row) => row.label);
    if (unreadable.length === 0) continue;
    const why =
      context.sourceKeys === undefined
        ? "no source.fernetKey is given"
        : "they were encrypted with a key that is not in source.fernetKey";
    findings.push({
      code: "SECRET_UNREADABLE",
      severity: "blocker",
      entity: entity.id,
      what: `${unreadable.length} of ${entity.title.toLowerCase()} can not be decrypted (${enumerate(unreadable, MOST_NAMED)}): ${why}`,
      next: [
        "add the missing key to source.fernetKey (newest first, separated by commas)",
        `or leave them out: ${withoutFlags(entity.id, unreadable)}`,
      ],
      // All of them: whoever has to mend or leave out needs the whole list.
      ...subjectsOf(
        unreadable.map((name) => `${entity.id}:${name}`),
        unreadable.length,
      ),
    });
  }
  return findings;
};

/** The target's key must be the one its Airflow has: what is encrypted there already tells. */
export const checkTargetKey: PlanCheck = async (context) => {
  const findings: Finding[] = [];
  const secrets = [...context.translations.values()].filter(holdsSecrets);
  if (context.targetKeys === undefined && secrets.length > 0) {
    return [
      {
        code: "TARGET_KEY_MISSING",
        severity: "blocker",
        what: "no target.fernetKey is given: connections and variables can not be encrypted for the target",
        next: ["set target.fernetKey in crosswind.yaml to the target's [core] fernet_key, as ${env:NAME} or file:PATH"],
      },
    ];
  }
  for (const translation of secrets) {
    const unreadable = (await targetObjects(context, translation))
      .filter((row) => row.unreadable.length > 0)
      .map((row) => row.label);
    if (unreadable.length === 0) continue;
    findings.push({
      code: "TARGET_KEY_WRONG",
      severity: "blocker",
      entity: translation.entity.id,
      what: `target.fernetKey does not decrypt ${unreadable.length} of the target's own ${translation.entity.title.toLowerCase()} (${enumerate(unreadable)}): its Airflow uses another key`,
      next: ["set target.fernetKey to the target's [core] fernet_key"],
      ...subjectsOf(unreadable.map((name) => `${translation.entity.id}:${name}`)),
    });
  }
  return findings;
};
