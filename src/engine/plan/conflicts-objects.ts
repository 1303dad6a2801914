import type { Entity } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import type { ConflictChoice } from "../../domain/selection.ts";
import { hasLedger } from "../copy/ledger.ts";
import type { Translation } from "../translate/translate.ts";
import { sourceObjects, targetObjects } from "./checks-objects.ts";
import { enumerate, type PlanContext, subjectsOf, withoutFlags } from "./plan-job.ts";
import type { ComparableRow } from "./read-objects.ts";

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

/** Columns that differ, and parts of which the source's has more, where these are copied, too. */
function differing(theirs: ComparableRow, ours: ComparableRow, parts: readonly string[]): readonly string[] {
  return [
    ...Object.keys(ours.values).filter((column) => theirs.values[column] !== ours.values[column]),
    ...parts.filter((field) => ours.parts[field]?.some((each) => theirs.parts[field]?.includes(each) !== true)),
  ];
}

/** An object that both sides have under one name with different values. */
export interface ObjectInTheWay {
  readonly key: string;
  readonly label: string;
  readonly columns: readonly string[];
}

/** Objects in the way, unless we copied them or Airflow itself made them. */
export async function objectsInTheWay(
  context: PlanContext,
  translation: Translation,
): Promise<readonly ObjectInTheWay[]> {
  const { entity } = translation;
  const without = await copiedBefore(context, entity.id);
  const there = new Map((await targetObjects(context, translation, without)).map((row) => [row.key, row]));
  if (there.size === 0) return [];
  const seeded = await seededKeys(context, translation);
  const parts = (entity.parts ?? []).filter((part) => context.translations.has(part.entity)).map(({ field }) => field);
  return (await sourceObjects(context, translation, without)).flatMap(({ key, label, ...row }) => {
    const existing = there.get(key);
    if (existing === undefined || seeded.has(key)) return [];
    const columns = differing(existing, { key, label, ...row }, parts);
    return columns.length === 0 ? [] : [{ key, label, columns }];
  });
}

interface Way {
  readonly translation: Translation;
  readonly choice: ConflictChoice;
  readonly found: readonly ObjectInTheWay[];
}

/** A merge takes nothing away. */
function becomes({ parts }: Entity): string {
  const besides =
    parts === undefined ? "" : `, and keep what they have besides of ${parts.map(({ field }) => field).join(", ")}`;
  return `they become the source's${besides}`;
}

/** What is said about objects in the way, by what becomes of them. */
export function objectsFinding({ translation, choice, found }: Way): Finding {
  const { entity } = translation;
  const labels = found.map((each) => each.label);
  const [first] = found;
  const choices = [
    "remove or rename them on the target",
    `or keep the target's: crosswind plan --on-conflict ${entity.id}=keep-target; single ones: ${withoutFlags(entity.id, labels)}`,
    `or take the source's: crosswind plan --on-conflict ${entity.id}=replace`,
  ];
  const { severity, end } = OUTCOMES[choice](entity);
  return {
    code: "TARGET_HAS_OTHER_OBJECT",
    severity,
    entity: entity.id,
    what: `the target has ${found.length} of ${entity.title.toLowerCase()} under the same name with other values (${enumerate(labels)}; "${first?.label}" differs in ${first?.columns.join(", ")})${end}`,
    next: choice === "stop" ? choices : [],
    ...subjectsOf(labels.map((label) => `${entity.id}:${label}`)),
  };
}

const OUTCOMES: Readonly<Record<ConflictChoice, (entity: Entity) => Pick<Finding, "severity"> & { end: string }>> = {
  stop: () => ({ severity: "blocker", end: "" }),
  "keep-target": () => ({ severity: "note", end: ": they stay" }),
  replace: (entity) => ({ severity: "warning", end: `: ${becomes(entity)}` }),
};
