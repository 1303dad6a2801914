import { columnOf, keyOf, rowOf, tableOf } from "../../airflow/define-entity.ts";
import type { Conversion, Entity, Field, FieldRow, Sql } from "../../domain/entity.ts";
import { isInRange, type Release } from "../../domain/release.ts";
import { columnType, type Schema } from "../../domain/schema.ts";

/** One side of a translation: the release its ranges are looked up with, and the columns that are really there. */
export interface Side {
  readonly release: Release;
  readonly schema: Schema;
}

/**
 * What depends on the pair of databases and not on their releases.
 * `offsets`: by entity, what is added to a kept serial id. `maps`: by entity, pairs of source id and target id.
 * `exceptions`: by entity, pairs of source id and target id that go before the offset: rows that were on the target before.
 */
export interface IdRules {
  readonly offsets: Readonly<Record<string, number>>;
  readonly maps: Readonly<Record<string, readonly IdPair[]>>;
  readonly exceptions?: Readonly<Record<string, readonly IdPair[]>>;
}

/** Source id and target id of one row. */
export type IdPair = readonly [source: number, target: number];

export const NO_ID_RULES: IdRules = { offsets: {}, maps: {} };

/** One column of the translated row, in the order of the SELECT. */
export interface OutputColumn {
  readonly field: string;
  readonly column: string;
  /** The target column's type without its length: a length is checked by the target, a cast would cut. */
  readonly type: string;
  readonly expression: Sql;
  /** Set where Node rewrites the field in the stream; `expression` is then the codec's input, `codecInput` its type. */
  readonly codec?: string;
  readonly codecInput?: string;
  /** A keyed digest is shown in its stead. */
  readonly isHidden?: true;
}

/** The translation of one entity from one database to another: `write_B(read_A(row))` as SQL. */
export interface Translation {
  readonly entity: Entity;
  /** Where the release keeps the rows, or would, if they were not constant. */
  readonly sourceTable: string;
  /** The release keeps no such rows, and has them all the same. */
  readonly isConstant: boolean;
  readonly targetTable: string;
  /** Fields that identify a row in the target. */
  readonly key: readonly string[];
  /** Columns of the target table's primary key. */
  readonly targetKey: readonly string[];
  readonly columns: readonly OutputColumn[];
  /** Columns that only the target can compute: `column` and the expression to use there. */
  readonly onTarget: readonly { readonly column: string; readonly expression: Sql }[];
  /** The target's sequence that numbers the rows, where the column itself does not say so. */
  readonly sequence?: string;
  /** `select <fields> from <source>`: the canonical rows. `where` is a predicate over `s`. */
  readonly canonical: (where?: Sql) => Sql;
  /**
   * The SELECT that is piped to the target. `source` is a predicate over `s`, `canonical` one over `c`; `also` are columns over `c` that
   * follow the translation's own.
   */
  readonly select: (where?: { readonly source?: Sql; readonly canonical?: Sql; readonly also?: readonly Sql[] }) => Sql;
}

export interface TranslateOptions {
  readonly source: Side;
  readonly target: Side;
  readonly ids: IdRules;
  /** True: SQL does what SQL usually can; false: the fields that made SQL raise go through their codecs. */
  readonly optimistic: boolean;
  /** Input type of a codec by its id. */
  readonly codecInput: (codec: string) => string;
}

/** Quotes an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The type without its length: a cast to `varchar(10)` would cut a value silently, COPY refuses it. */
export function withoutLength(type: string): string {
  return type.replace(/^(character varying|character|numeric|bit varying|bit)\([\d,]+\)/, "$1");
}

function readExpression(name: string, field: Field, options: TranslateOptions, targetTable: string): Sql {
  const row = rowOf(field, options.source.release);
  const column = columnOf(field, name, options.source.release);
  if (row?.read !== undefined) return row.read;
  if (column !== undefined) return `s.${identifier(column)}`;
  const written = columnOf(field, name, options.target.release);
  const type = written === undefined ? undefined : columnType(options.target.schema, targetTable, written);
  return `null::${type === undefined ? "text" : withoutLength(type)}`;
}

/** Where a side keeps the entity, or undefined where its release, or this database of it, has no table for it. */
export function placeOf(entity: Entity, { release, schema }: Side): string | undefined {
  const table = tableOf(entity, release)?.table;
  return table === undefined || schema.tables[table] === undefined ? undefined : table;
}

/** The FROM clause of rows that the release has without keeping them. */
function constantOf({ constant }: Entity, release: Release): Sql | undefined {
  return constant !== undefined && isInRange(release, constant.in) ? constant.from : undefined;
}

function canonicalSelect(entity: Entity, options: TranslateOptions, targetTable: string): (where?: Sql) => Sql {
  const table = tableOf(entity, options.source.release);
  const fields = Object.entries(entity.fields).map(
    ([name, field]) => `${readExpression(name, field, options, targetTable)} as ${identifier(name)}`,
  );
  const from =
    constantOf(entity, options.source.release) ?? table?.from ?? `${identifier(table?.table ?? entity.id)} s`;
  return (where) => `select ${fields.join(", ")} from ${from}${where === undefined ? "" : ` where ${where}`}`;
}

function mapped(expression: Sql, map: readonly IdPair[]): Sql {
  const pairs = map.map(([from, to]) => `(${from},${to})`).join(",");
  return `(select m.target from (values ${pairs}) m(source, target) where m.source = ${expression})`;
}

interface Reference {
  readonly entity: string;
  /** The type of the column in which the id is kept as text, among texts that are none. */
  readonly textType?: string;
  /** See {@link Field.idInJson}. */
  readonly isInJson?: true;
}

/** What is no number is passed on where the column takes it: it is the name that another auth manager knows a person by. */
function followText(text: Sql, textType: string, map: readonly IdPair[] | undefined): Sql {
  const isNumber = `(${text}) ~ '^[0-9]{1,9}$'`;
  const number = `(${text})::integer`;
  const followed = map === undefined ? number : map.length === 0 ? "null::integer" : mapped(number, map);
  if (!/^(text|character)/.test(textType)) return `case when ${isNumber} then ${followed} end`;
  return map === undefined ? text : `case when ${isNumber} then (${followed})::text else ${text} end`;
}

/** A value without a number among its ids stays the text that it is. */
function followJson(json: Sql, map: readonly IdPair[] | undefined): Sql {
  if (map === undefined) return json;
  const one = (value: Sql) => {
    const [id, name] = [`${value} ->> 'id'`, `${value} ->> 'name'`];
    const followed = `coalesce((${map.length === 0 ? "null" : mapped(`(${id})::integer`, map)})::text, ${name}, ${id})`;
    return `case when ${id} ~ '^[0-9]{1,9}$' then jsonb_set(${value}, '{id}', to_jsonb(${followed})) else ${value} end`;
  };
  const list = `(select jsonb_agg(${one("e.value")} order by e.number) from jsonb_array_elements((${json})::jsonb) with ordinality e(value, number))`;
  const followed = `case jsonb_typeof((${json})::jsonb) when 'array' then ${list} else ${one(`(${json})::jsonb`)} end`;
  return `case when (${json})::text ~ '"id": *"[0-9]{1,9}"' then (${followed})::json else ${json} end`;
}

function follow(expression: Sql, { entity, textType, isInJson }: Reference, ids: IdRules): Sql {
  const map = ids.maps[entity];
  if (isInJson === true) return followJson(expression, map);
  if (textType !== undefined) return followText(expression, textType, map);
  if (map !== undefined) return map.length === 0 ? "null::integer" : mapped(expression, map);
  const offset = ids.offsets[entity] ?? 0;
  const shifted = offset === 0 ? expression : `(${expression} + ${offset})`;
  const exceptions = ids.exceptions?.[entity] ?? [];
  return exceptions.length === 0 ? shifted : `coalesce(${mapped(expression, exceptions)}, ${shifted})`;
}

/** Between equal shapes nothing is converted; json to jsonb can raise, so it has a codec to fall back to. */
function conversionFor(
  field: Field,
  source: FieldRow | undefined,
  target: FieldRow,
  types: readonly (string | undefined)[],
) {
  if (source?.shape !== undefined && target.shape !== undefined && source.shape !== target.shape) {
    const found = field.convert?.find((each) => each.from === source.shape && each.to === target.shape);
    if (found === undefined) throw new Error(`no conversion from ${source.shape} to ${target.shape}`);
    return found;
  }
  if (types[0] === "json" && types[1] === "jsonb") return JSON_TO_JSONB;
  return undefined;
}

const JSON_TO_JSONB: Conversion = {
  from: "json",
  to: "jsonb",
  lane: "sql-or-codec",
  sql: "$::jsonb",
  // The codec for JSON text in bytes: what a json column refuses as jsonb is an escape that jsonb can not hold.
  codec: "xcom-2-to-json",
  before: "convert_to($::text, 'UTF8')",
};

function convert(expression: Sql, conversion: Conversion, options: TranslateOptions) {
  const viaSql = conversion.lane === "sql" || (conversion.lane === "sql-or-codec" && options.optimistic);
  if (viaSql) return { expression: (conversion.sql ?? "$").replaceAll("$", () => expression) };
  if (conversion.codec === undefined)
    throw new Error(`conversion ${conversion.from} to ${conversion.to} names no codec`);
  return {
    expression: (conversion.before ?? "$").replaceAll("$", () => expression),
    codec: conversion.codec,
    codecInput: options.codecInput(conversion.codec),
  };
}

function outputColumn(
  entity: Entity,
  name: string,
  options: TranslateOptions,
  table: string,
): OutputColumn | undefined {
  const field = entity.fields[name] as Field;
  const target = rowOf(field, options.target.release);
  const column = columnOf(field, name, options.target.release);
  const type = column === undefined ? undefined : columnType(options.target.schema, table, column);
  if (target === undefined || column === undefined || type === undefined) return undefined;
  let expression = target.write ?? `c.${identifier(name)}`;
  const isSerial = entity.serial?.field === name;
  if (field.references !== undefined || isSerial) {
    const to = {
      entity: field.references ?? entity.id,
      ...(field.idAsText === true ? { textType: type } : {}),
      ...(field.idInJson === true ? { isInJson: true as const } : {}),
    };
    expression = follow(expression, to, options.ids);
  }
  const hidden = field.isHidden === true ? { isHidden: true as const } : {};
  const base = { field: name, column, type: withoutLength(type), ...hidden };
  if (field.codec !== undefined) {
    return { ...base, expression, codec: field.codec, codecInput: options.codecInput(field.codec) };
  }
  const sourceTable = tableOf(entity, options.source.release)?.table ?? "";
  const sourceColumn = columnOf(field, name, options.source.release);
  const sourceType =
    sourceColumn === undefined ? undefined : columnType(options.source.schema, sourceTable, sourceColumn);
  const conversion = conversionFor(field, rowOf(field, options.source.release), target, [sourceType, type]);
  return conversion === undefined ? { ...base, expression } : { ...base, ...convert(expression, conversion, options) };
}

/** How rows get their ids on a target where Airflow, and not the column's default, asks the sequence. */
function numberingOf({ serial, fields }: Entity, { release, schema }: Side) {
  const { field = "", sequence } = serial ?? {};
  const column = fields[field] && columnOf(fields[field], field, release);
  if (sequence === undefined || column === undefined || !Object.hasOwn(schema.sequences, sequence)) return undefined;
  return { sequence, onTarget: [{ column, expression: `nextval('${identifier(sequence).replaceAll("'", "''")}')` }] };
}

/**
 * Composes the translation of one entity, or gives undefined where one of the two releases has no place for it.
 *
 * The result only depends on its arguments; nothing is asked from a database.
 */
export function translate(entity: Entity, options: TranslateOptions): Translation | undefined {
  const [kept, targetTable] = [placeOf(entity, options.source), placeOf(entity, options.target)];
  const isConstant = constantOf(entity, options.source.release) !== undefined;
  const sourceTable = isConstant ? targetTable : kept;
  if (sourceTable === undefined || targetTable === undefined) return undefined;
  const mappedSerial = entity.serial?.rule === "mapped" ? entity.serial.field : undefined;
  const names = Object.keys(entity.fields).filter((name) => name !== mappedSerial);
  const here = names.filter((name) => entity.fields[name]?.onTarget === undefined);
  const columns = here.flatMap((name) => outputColumn(entity, name, options, targetTable) ?? []);
  const onTarget = names.flatMap((name) => {
    const field = entity.fields[name] as Field;
    const column = columnOf(field, name, options.target.release);
    return field.onTarget === undefined || column === undefined ? [] : [{ column, expression: field.onTarget }];
  });
  const numbering = numberingOf(entity, options.target);
  const canonical = canonicalSelect(entity, options, targetTable);
  const list = columns.map(
    (each) => `(${each.expression})::${each.codecInput ?? each.type} as ${identifier(each.column)}`,
  );
  return {
    entity,
    sourceTable,
    targetTable,
    isConstant,
    key: keyOf(entity, options.target.release),
    targetKey: options.target.schema.tables[targetTable]?.pk ?? [],
    columns,
    onTarget: [...onTarget, ...(numbering?.onTarget ?? [])],
    ...(numbering === undefined ? {} : { sequence: numbering.sequence }),
    canonical,
    select: (where = {}) =>
      `select ${[...list, ...(where.also ?? [])].join(", ")} from (${canonical(where.source)}) c${where.canonical === undefined ? "" : ` where ${where.canonical}`}`,
  };
}
