import type { Entity, Field, FieldRow } from "../domain/entity.ts";
import { isInRange, type Range, type Release } from "../domain/release.ts";
import type { Schema } from "../domain/schema.ts";
import { columnOf, rowOf, tableOf } from "./define-entity.ts";
import { type NotCopied, whyNotCopied } from "./not-copied.ts";

/** What the law is about: the entities, the tables that are none, and the schemas that both must cover. */
export interface LawOptions {
  /** In the order in which they are copied. */
  readonly entities: readonly Entity[];
  readonly schemas: ReadonlyMap<Release, Schema>;
  /** Default: the project's own list. */
  readonly notCopied?: (table: string, release: Release) => NotCopied | undefined;
}

interface Place {
  readonly entity: Entity;
  readonly release: Release;
  readonly schema: Schema;
  readonly table: string;
}

/**
 * The law: somebody has decided about every column of every recorded release, and every translation can be made.
 *
 * Gives a sentence for each breach, none when all is well. Depends on its arguments only.
 */
export function breachesOfLaw(options: LawOptions): readonly string[] {
  const places = placesOf(options);
  return [
    ...[...options.schemas].flatMap(([release, schema]) => undecidedTables(release, schema, options)),
    ...places.flatMap((place) => [...wrongColumns(place), ...wrongKey(place)]),
    ...places.flatMap((target) =>
      places.filter((source) => source.entity === target.entity).flatMap((source) => brokenPair(source, target)),
    ),
    ...options.entities.flatMap((entity) => [
      ...unknownNames(entity),
      ...brokenReferences(entity, options.entities),
      ...wrongRanges(entity, [...options.schemas.keys()]),
      ...missingSentences(entity, [...options.schemas.keys()]),
      ...unknownUnset(entity, places),
    ]),
  ];
}

function placesOf({ entities, schemas }: LawOptions): readonly Place[] {
  return entities.flatMap((entity) =>
    [...schemas].flatMap(([release, schema]) => {
      const { table, isOptional } = tableOf(entity, release) ?? {};
      const isAbsent = table === undefined || (isOptional === true && schema.tables[table] === undefined);
      return isAbsent ? [] : [{ entity, release, schema, table }];
    }),
  );
}

function undecidedTables(release: Release, schema: Schema, options: LawOptions): readonly string[] {
  const why = options.notCopied ?? whyNotCopied;
  return Object.keys(schema.tables).flatMap((table) => {
    const copied = options.entities.filter((entity) => tableOf(entity, release)?.table === table);
    const decisions = copied.length + (why(table, release) === undefined ? 0 : 1);
    if (decisions === 1) return [];
    return [`${release}: table ${table} is decided by ${decisions === 0 ? "nobody" : "more than one"}`];
  });
}

/** Every column is a field's or unset, not both, and every column that is named exists. */
function wrongColumns({ entity, release, schema, table }: Place): readonly string[] {
  const fact = schema.tables[table];
  if (fact === undefined) return [`${release}: ${entity.id} is kept in ${table}, which does not exist`];
  const present = fact.columns.map(([name]) => name);
  const written = Object.entries(entity.fields).flatMap(([name, field]) => columnOf(field, name, release) ?? []);
  const unset = entity.unset.filter((each) => isInRange(release, each.in)).map((each) => each.column);
  const decided = [...written, ...unset];
  return [
    ...present.filter((name) => !decided.includes(name)).map((name) => `${table}.${name} is decided by nobody`),
    ...decided
      .filter((name, index) => decided.indexOf(name) !== index)
      .map((name) => `${table}.${name} is decided more than once`),
    ...written.filter((name) => !present.includes(name)).map((name) => `${table}.${name} does not exist`),
  ].map((breach) => `${release}: ${breach}`);
}

/** A column is unset for a reason; one that no release has ever had is a slip of the pen. */
function unknownUnset(entity: Entity, places: readonly Place[]): readonly string[] {
  const own = places.filter((place) => place.entity === entity);
  const exists = (column: string) =>
    own.some(({ schema, table }) => schema.tables[table]?.columns.some(([name]) => name === column));
  return entity.unset
    .filter((each) => !exists(each.column))
    .map((each) => `${entity.id} leaves ${each.column} unset, which no release has`);
}

/** Merging needs columns that identify a row: those of the key, of the table's own, or of the table's primary key. */
function wrongKey({ entity, release, schema, table }: Place): readonly string[] {
  const columnFor = (name: string) => {
    const field = entity.fields[name];
    return field === undefined ? undefined : columnOf(field, name, release);
  };
  const isKept = (names: readonly string[]) => names.every((name) => columnFor(name) !== undefined);
  const own = tableOf(entity, release)?.key;
  if (own !== undefined)
    return isKept(own) ? [] : [`${release}: the key that ${entity.id} names for ${table} is not in it`];
  if (isKept(entity.key)) return [];
  const written = new Set(Object.keys(entity.fields).map(columnFor));
  const primary = schema.tables[table]?.pk ?? [];
  if (primary.length > 0 && primary.every((column) => written.has(column))) return [];
  return [`${release}: nothing that ${entity.id} writes identifies a row of ${table}`];
}

function brokenPair(source: Place, target: Place): readonly string[] {
  const { entity } = target;
  const pair = `${source.release} to ${target.release}: ${target.table}`;
  const conversions = Object.entries(entity.fields)
    .filter(([, field]) => lacksConversion(field, source.release, target.release))
    .map(([name]) => `${pair}: no conversion for ${name}`);
  const nulls = (target.schema.tables[target.table]?.columns ?? [])
    .filter(([, , nullability, preset]) => nullability === "notnull" && preset === null)
    .filter(([column]) => mayBeNull(column, source, target))
    .map(([column]) => `${pair}.${column} refuses NULL and may get it`);
  return [...conversions, ...nulls];
}

function lacksConversion(field: Field, source: Release, target: Release): boolean {
  const [from, to] = [rowOf(field, source)?.shape, rowOf(field, target)?.shape];
  if (from === undefined || to === undefined || from === to) return false;
  return field.convert?.some((each) => each.from === from && each.to === to) !== true;
}

/** True unless an expression, a constraint of the source or a rule that leaves such rows keeps NULL out. */
function mayBeNull(column: string, source: Place, target: Place): boolean {
  const { entity } = target;
  const found = Object.entries(entity.fields).find(([name, field]) => columnOf(field, name, target.release) === column);
  if (found === undefined) return true;
  const [name, field] = found;
  if (field.onTarget !== undefined || rowOf(field, target.release)?.write !== undefined) return false;
  const isLeft = entity.leave?.some((each) => {
    return isInRange(target.release, each.to) && each.where.includes(`c.${name} is null`);
  });
  const read = rowOf(field, source.release)?.read;
  if (isLeft === true || (read !== undefined && read !== "null")) return false;
  const from = columnOf(field, name, source.release);
  const fact = source.schema.tables[source.table]?.columns.find(([each]) => each === from);
  return fact?.[2] !== "notnull";
}

/** Every name of a field that the entity uses is that of one of its fields. */
function unknownNames(entity: Entity): readonly string[] {
  const { scope } = entity;
  const ofScope = scope.of === "run" ? [scope.dag, scope.run, scope.time] : scope.of === "dag" ? [scope.dag] : [];
  const ofTables = entity.tables.flatMap((row) => row.key ?? []);
  const ofFields = Object.values(entity.fields).map((field) => field.namedBy);
  const ofParts = (entity.parts ?? []).map((part) => part.field);
  return [
    ...entity.key,
    ...(entity.label ?? []),
    ...ofParts,
    ...ofTables,
    entity.serial?.field,
    ...ofScope,
    ...ofFields,
  ]
    .filter((name) => name !== undefined && entity.fields[name] === undefined)
    .map((name) => `${entity.id} has no field ${name}, which it names`);
}

/** What an entity needs comes before it, and what it refers to has an id. */
function brokenReferences(entity: Entity, all: readonly Entity[]): readonly string[] {
  const position = (id: string) => all.findIndex((each) => each.id === id);
  const references = Object.values(entity.fields).flatMap((field) => field.references ?? []);
  // Rows may refer to rows of their own kind.
  const needs = [...new Set([...entity.after, ...references.filter((id) => id !== entity.id)])];
  const late = needs.filter((id) => position(id) === -1 || position(id) >= all.indexOf(entity));
  const withoutId = references.filter((id) => all.some((each) => each.id === id && each.serial === undefined));
  const unsaid = references.filter((id) => id !== entity.id && !entity.after.includes(id));
  return [
    ...(position(entity.id) === all.indexOf(entity) ? [] : ["is there more than once"]),
    ...late.map((id) => `needs ${id}, which does not come before it`),
    ...withoutId.map((id) => `refers to ${id}, which has no serial id`),
    ...unsaid.map((id) => `refers to ${id} and is not after it`),
  ].map((breach) => `${entity.id} ${breach}`);
}

function rowsIn(rows: readonly { readonly in?: Range }[], release: Release): number {
  return rows.filter((row) => isInRange(release, row.in)).length;
}

/** A release is in at most one row of the tables, and in exactly one of each field where there is a table. */
function wrongRanges(entity: Entity, releases: readonly Release[]): readonly string[] {
  return releases.flatMap((release) => {
    const tables = rowsIn(entity.tables, release);
    if (tables > 1) return [`${release}: ${entity.id} has ${tables} tables`];
    if (tables === 0) return [];
    return Object.entries(entity.fields)
      .map(([name, field]) => [name, rowsIn(field.rows, release)] as const)
      .filter(([, count]) => count !== 1)
      .map(([name, count]) => `${release}: ${count} rows of ${entity.id}.${name} say where it is`);
  });
}

function hasColumn(row: FieldRow | undefined): boolean {
  return row?.column !== undefined;
}

/** Where a source keeps what a target has no place for, the plan says so. */
function missingSentences(entity: Entity, releases: readonly Release[]): readonly string[] {
  const [there, gone] = [true, false].map((has) =>
    releases.filter((each) => (tableOf(entity, each) !== undefined) === has),
  );
  const mayBeGone = (gone?.length ?? 0) > 0 || entity.tables.some((row) => row.isOptional === true);
  const lost = mayBeGone && entity.lost === undefined ? [`${entity.id} does not say why it is lost`] : [];
  const fields = Object.entries(entity.fields).filter(([, field]) => {
    const kept = (there ?? []).filter((release) => hasColumn(rowOf(field, release)));
    const isSaid = field.lost !== undefined || field.heldBy !== undefined;
    return kept.length > 0 && kept.length < (there?.length ?? 0) && !isSaid;
  });
  return [...lost, ...fields.map(([name]) => `${entity.id}.${name} does not say why it is lost`)];
}
