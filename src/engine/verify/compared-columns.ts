import { columnOf } from "../../airflow/define-entity.ts";
import { isInRange } from "../../domain/release.ts";
import { columnType } from "../../domain/schema.ts";
import type { OutputColumn, Side, Translation } from "../translate/translate.ts";
import type { IgnoredColumn } from "./report.ts";

const OWN_NUMBER = "the target numbers these rows itself; what refers to them is compared by what they are called";
const ON_TARGET = "the target works it out";

function reasonToIgnore(translation: Translation, field: string): string | undefined {
  const { entity } = translation;
  const compare = entity.fields[field]?.compare;
  return typeof compare === "object" ? compare.ignore : undefined;
}

/** Columns of a translation that are compared, in the order of its SELECT. */
export function comparedColumns(translation: Translation): readonly OutputColumn[] {
  return translation.columns.filter((column) => reasonToIgnore(translation, column.field) === undefined);
}

/** Columns by which rows of both sides find each other: the key where the target keeps all of it, else the target's primary key. */
export function matchingColumns(translation: Translation): readonly OutputColumn[] {
  const natural = translation.columns.filter((column) => translation.key.includes(column.field));
  if (natural.length === translation.key.length) return natural;
  return translation.columns.filter((column) => translation.targetKey.includes(column.column));
}

/** Canonical fields that name a row to people. */
export function labelFields(translation: Translation): readonly string[] {
  return translation.entity.label ?? translation.key;
}

/** Columns of the target's table that are not compared, each with its reason. */
export function ignoredColumns(translation: Translation, target: Side): readonly IgnoredColumn[] {
  const { entity, targetTable } = translation;
  const { release, schema } = target;
  const ignored = new Map<string, string>();
  for (const [name, field] of Object.entries(entity.fields)) {
    const column = columnOf(field, name, release);
    if (column === undefined) continue;
    const isMapped = entity.serial?.rule === "mapped" && entity.serial.field === name;
    const reason = reasonToIgnore(translation, name) ?? (isMapped ? OWN_NUMBER : undefined);
    if (reason !== undefined) ignored.set(column, reason);
    else if (field.onTarget !== undefined) ignored.set(column, ON_TARGET);
  }
  for (const { column, in: range, reason } of entity.unset) {
    if (isInRange(release, range) && columnType(schema, targetTable, column) !== undefined) ignored.set(column, reason);
  }
  return [...ignored].map(([column, reason]) => ({ column, reason }));
}
