import type { Finding } from "../../domain/finding.ts";
import { codecInput } from "../copy/columns.ts";
import { hasLedger } from "../copy/ledger.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { NO_ID_RULES, type Translation, translate } from "../translate/translate.ts";
import { enumerate, type PlanCheck, type PlanContext, subjectsOf, withoutFlags } from "./plan-job.ts";
import { type ComparableRow, readObjects } from "./read-objects.ts";

/** Names in the sentence itself; the finding's subjects have all. */
const MOST_NAMED = 20;

function holdsSecrets(translation: Translation): boolean {
  return translation.columns.some((column) => column.codec === "secret");
}

async function sourceRows(context: PlanContext, translation: Translation): Promise<readonly ComparableRow[]> {
  const { dagRun, resolved, target } = context;
  const where = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
  const codecs = {
    digestKey: context.digestKey,
    ...(context.sourceKeys === undefined ? {} : { sourceKeys: context.sourceKeys }),
  };
  return await readObjects(context.sourceSession, translation, { where, codecs });
}

function onTarget(context: PlanContext, translation: Translation): Translation | undefined {
  const { side } = context.target;
  return translate(translation.entity, { source: side, target: side, ids: NO_ID_RULES, optimistic: true, codecInput });
}

async function targetRows(context: PlanContext, translation: Translation): Promise<readonly ComparableRow[]> {
  const own = onTarget(context, translation);
  if (own === undefined) return [];
  const codecs = {
    digestKey: context.digestKey,
    ...(context.targetKeys === undefined ? {} : { sourceKeys: context.targetKeys }),
  };
  return await readObjects(context.targetSession, own, { where: undefined, codecs });
}

/** Every Fernet token of the source is tried before anything is written: what can not be decrypted can not be used either. */
export const checkSecrets: PlanCheck = async (context) => {
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    if (!holdsSecrets(translation)) continue;
    const { entity } = translation;
    const unreadable = (await sourceRows(context, translation))
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
    const unreadable = (await targetRows(context, translation))
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

async function copiedBefore(context: PlanContext, entity: string): Promise<ReadonlySet<string>> {
  if (!(await hasLedger(context.targetSession))) return new Set();
  const rows = await context.targetSession.query<{ key: string }>(
    "select key from crosswind.copied_object where source = $1 and entity = $2",
    [context.source.facts.identity, entity],
  );
  return new Set(rows.map((row) => JSON.stringify(JSON.parse(row.key) as unknown)));
}

async function seededKeys(context: PlanContext, translation: Translation): Promise<ReadonlySet<string>> {
  const { entity } = translation;
  if (entity.seeded === undefined) return new Set();
  const columns = translation.columns
    .filter((column) => translation.key.includes(column.field))
    .map((column) => `t."${column.column}"`);
  const rows = await context.targetSession.query<{ key: unknown }>(
    `select jsonb_build_array(${columns.join(", ")}) as key from "${translation.targetTable}" t where ${entity.seeded}`,
  );
  return new Set(rows.map((row) => JSON.stringify(row.key)));
}

function differing(theirs: ComparableRow, ours: ComparableRow): readonly string[] {
  return Object.keys(ours.values).filter((column) => theirs.values[column] !== ours.values[column]);
}

/** Objects that both sides have under one name with different values, unless we copied them or Airflow itself made them. */
export const checkObjects: PlanCheck = async (context) => {
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    const { entity } = translation;
    if (entity.load !== "merge") continue;
    const there = new Map((await targetRows(context, translation)).map((row) => [row.key, row]));
    if (there.size === 0) continue;
    const [ours, seeded] = [await copiedBefore(context, entity.id), await seededKeys(context, translation)];
    const inTheWay = (await sourceRows(context, translation)).flatMap((row) => {
      const existing = there.get(row.key);
      if (existing === undefined || ours.has(row.key) || seeded.has(row.key)) return [];
      const columns = differing(existing, row);
      return columns.length === 0 ? [] : [{ label: row.label, columns }];
    });
    if (inTheWay.length === 0) continue;
    const [first] = inTheWay;
    findings.push({
      code: "TARGET_HAS_OTHER_OBJECT",
      severity: "blocker",
      entity: entity.id,
      what: `the target has ${inTheWay.length} of ${entity.title.toLowerCase()} under the same name with other values (${enumerate(inTheWay.map((each) => each.label))}; "${first?.label}" differs in ${first?.columns.join(", ")})`,
      next: [
        "remove or rename them on the target",
        `or keep the target's: ${withoutFlags(
          entity.id,
          inTheWay.map((each) => each.label),
        )}`,
      ],
      ...subjectsOf(inTheWay.map((each) => `${entity.id}:${each.label}`)),
    });
  }
  return findings;
};
