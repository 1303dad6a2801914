import { columnOf, rowOf, tableOf } from "../../airflow/define-entity.ts";
import type { Entity, Sql } from "../../domain/entity.ts";
import type { LeftBehind, PlannedEntity } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import { oneSidedEntities } from "../copy/id-rules.ts";
import type { Exclusion } from "../select/filters.ts";
import { identifier, type Side, type Translation } from "../translate/translate.ts";

/** A field that the source keeps and the target has no place for, with the number of rows that have a value. */
export interface LostField {
  readonly field: string;
  readonly rows: number;
  readonly reason: string;
}

export interface Counted {
  readonly planned: PlannedEntity;
  readonly lost: readonly LostField[];
}

interface CountOptions {
  readonly source: Side;
  readonly target: Side;
  readonly exclusions: readonly Exclusion[];
  /** Rows that the ledger knows as copied before. */
  readonly alreadyThere: number;
}

/** Fields whose column exists on the source alone. */
export function fieldsWithoutPlace(
  entity: Entity,
  source: Side,
  target: Side,
): readonly { readonly field: string; readonly reason: string }[] {
  return Object.entries(entity.fields).flatMap(([name, field]) => {
    const isKept = columnOf(field, name, source.release) !== undefined;
    const hasPlace = columnOf(field, name, target.release) !== undefined || field.heldBy !== undefined;
    return isKept && !hasPlace && !entity.key.includes(name) && rowOf(field, source.release)?.read === undefined
      ? [{ field: name, reason: field.lost ?? "the target has no place for it" }]
      : [];
  });
}

/** Fields that refer to rows of which one side has none at all: their ids mean nothing to the target. */
function fieldsWithoutReferred(entity: Entity, { source, target }: CountOptions) {
  const oneSided = oneSidedEntities({ sourceSide: source, targetSide: target });
  return Object.entries(entity.fields).flatMap(([name, field]) =>
    field.references !== undefined &&
    field.idInJson !== true &&
    oneSided.includes(field.references) &&
    !entity.key.includes(name)
      ? [
          {
            field: name,
            isText: field.idAsText === true,
            reason: field.lost ?? `the target has no ${field.references} that they could refer to`,
          },
        ]
      : [],
  );
}

/** Of ids that are kept as text only numbers are lost. */
function valueOf({ field, isText }: { readonly field: string; readonly isText: boolean }): Sql {
  const value = `c.${identifier(field)}`;
  return isText ? `case when ${value} ~ '^[0-9]+$' then ${value} end` : value;
}

/** Counts an entity's rows in one pass: those to copy, and those that stay behind by their first reason. */
export async function countRows(session: Session, translation: Translation, options: CountOptions): Promise<Counted> {
  const { entity } = translation;
  const lost = [
    ...fieldsWithoutPlace(entity, options.source, options.target).map((each) => ({ ...each, isText: false })),
    ...fieldsWithoutReferred(entity, options),
  ];
  const reason = options.exclusions.map((each, index) => `when ${each.where} then ${index}`).join(" ");
  const kind = reason === "" ? "-1" : `case ${reason} else -1 end`;
  const rows = await session.query<Record<string, string>>(
    `select kind, count(*) as n${lost.map((each, index) => `, count(v${index}) as l${index}`).join("")}
     from (select ${kind} as kind${lost.map((each, index) => `, ${valueOf(each)} as v${index}`).join("")}
           from (${translation.canonical()}) c) counted group by kind`,
  );
  const [size] = await session.query<{ bytes: string }>(
    "select coalesce(pg_table_size(to_regclass($1)), 0)::text as bytes",
    [identifier(translation.sourceTable)],
  );
  const byKind = new Map(rows.map((row) => [Number(row["kind"]), row]));
  const count = (kindOf: number) => Number(byKind.get(kindOf)?.["n"] ?? 0);
  const sourceRows = rows.reduce((sum, row) => sum + Number(row["n"]), 0);
  const leftBehind: LeftBehind[] = options.exclusions
    .map((each, index) => ({ rows: count(index), reason: each.reason }))
    .filter((each) => each.rows > 0);
  const toCopy = count(-1);
  return {
    planned: {
      entity: entity.id,
      title: entity.title,
      sourceRows,
      toCopy,
      alreadyThere: Math.min(options.alreadyThere, toCopy),
      translated: isVerbatim(translation, options) ? 0 : toCopy,
      leftBehind,
      estimatedBytes: sourceRows === 0 ? 0 : Math.round((Number(size?.bytes ?? 0) * toCopy) / sourceRows),
    },
    lost: lost.flatMap((each, index) => {
      const withValue = Number(byKind.get(-1)?.[`l${index}`] ?? 0);
      return withValue === 0 ? [] : [{ field: each.field, reason: each.reason, rows: withValue }];
    }),
  };
}

/** True when every column goes over as it is: same release, nothing re-encrypted. */
function isVerbatim(translation: Translation, { source, target }: CountOptions): boolean {
  const table = tableOf(translation.entity, source.release)?.table;
  return (
    source.release === target.release &&
    table !== undefined &&
    translation.columns.every((column) => column.codec === undefined)
  );
}

/** An entity that the target has no table for: all of it stays behind. */
export async function countLost(session: Session, entity: Entity, source: Side): Promise<PlannedEntity | undefined> {
  const table = tableOf(entity, source.release)?.table;
  if (table === undefined || source.schema.tables[table] === undefined) return undefined;
  const from = tableOf(entity, source.release)?.from ?? identifier(table);
  const [row] = await session.query<{ n: string }>(`select count(*) as n from ${from}`);
  const sourceRows = Number(row?.n ?? 0);
  if (sourceRows === 0) return undefined;
  const reason = entity.lost ?? "the target has no place for them";
  return {
    entity: entity.id,
    title: entity.title,
    sourceRows,
    toCopy: 0,
    alreadyThere: 0,
    translated: 0,
    leftBehind: [{ rows: sourceRows, reason }],
    estimatedBytes: 0,
  };
}
