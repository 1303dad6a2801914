import type { Entity, Field, FieldRow, Sql, TableRow } from "../domain/entity.ts";
import { isInRange, type Range, type Release } from "../domain/release.ts";

/** Fields may be given as their rows alone. */
type FieldInput = readonly FieldRow[] | Field;

type EntityInput = Omit<Entity, "fields" | "tables" | "unset"> & {
  readonly tables: string | readonly TableRow[];
  readonly fields: Readonly<Record<string, FieldInput>>;
  readonly unset?: Entity["unset"];
};

/** Every release keeps the field in a column of its name. */
export function always(): readonly FieldRow[] {
  return [{ column: true }];
}

/** Kept in a column of its name from a release on; `before` is what older sources mean (default NULL). */
export function since(release: Release, before?: Sql): readonly FieldRow[] {
  return [
    { in: `<${release}`, ...(before === undefined ? {} : { read: before }) },
    { in: `>=${release}`, column: true },
  ];
}

/** Several fields that every release keeps in columns of their names. */
export function columns<const N extends string>(...names: readonly N[]): Readonly<Record<N, readonly FieldRow[]>> {
  return Object.fromEntries(names.map((name) => [name, always()])) as Record<N, readonly FieldRow[]>;
}

function isField(input: FieldInput): input is Field {
  return "rows" in input;
}

/** Declares an entity; fills in the short forms. */
export function defineEntity(input: EntityInput): Entity {
  const fields = Object.fromEntries(
    Object.entries(input.fields).map(([name, given]) => [name, isField(given) ? given : { rows: given }]),
  );
  const tables = typeof input.tables === "string" ? [{ table: input.tables }] : input.tables;
  return { ...input, tables, fields, unset: input.unset ?? [] };
}

/** Where a release keeps the entity, or undefined where it has no place for it. */
export function tableOf(entity: Entity, release: Release): TableRow | undefined {
  return entity.tables.find((row) => isInRange(release, row.in));
}

/** The fields that identify a row in a release: for merging into its table, and for matching rows of it. */
export function keyOf(entity: Entity, release: Release): readonly string[] {
  return tableOf(entity, release)?.key ?? entity.key;
}

/** The stretch of the field's life that a release is in, or undefined before and after it. */
export function rowOf(field: Field, release: Release): FieldRow | undefined {
  return field.rows.find((row) => isInRange(release, row.in));
}

/** The column that keeps the field in a release, or undefined where there is none. */
export function columnOf(field: Field, name: string, release: Release): string | undefined {
  const column = rowOf(field, release)?.column;
  return column === true ? name : column;
}

/** The same text for several ranges, as rows of a table name. */
export function tableIn(range: Range, table: string, from?: Sql): TableRow {
  return { in: range, table, ...(from === undefined ? {} : { from }) };
}
