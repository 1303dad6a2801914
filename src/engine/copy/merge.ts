import type { Field, Sql } from "../../domain/entity.ts";
import { literal } from "../select/filters.ts";
import { identifier, type OutputColumn, type Translation } from "../translate/translate.ts";

/** The statements of a merge, in the chunk's own transaction. */
export interface Merge {
  /** The temporary table that takes the COPY. */
  readonly staged: string;
  /** All temporary tables, to be dropped in the end. */
  readonly tables: readonly string[];
  readonly before: readonly Sql[];
  /** Nothing to do where no row was staged. */
  readonly after: readonly Statement[];
}

/** A statement of a merge; `counts`: its one row says in `n` how many rows it wrote. */
export interface Statement {
  readonly sql: Sql;
  readonly counts?: "inserted" | "updated";
}

function counted(counts: Statement["counts"] & string, sql: Sql): Statement {
  return { counts, sql: `with written as (${sql} returning 1) select count(*)::int as n from written` };
}

const STAGED = "crosswind_staged";
const NEWEST = "crosswind_newest";

/** Before the merge the newest row is remembered; after it, it is added once more where it is no longer the newest. */
function keepNewest({ entity, targetTable, columns }: Translation): {
  readonly before: readonly Sql[];
  readonly after: readonly Sql[];
} {
  if (entity.keepsNewest === undefined || entity.serial === undefined) return { before: [], after: [] };
  const [table, id] = [identifier(targetTable), identifier(entity.serial.field)];
  const names = columns.map((column) => identifier(column.column)).join(", ");
  return {
    before: [`create temporary table ${NEWEST} on commit drop as select * from ${table} order by ${id} desc limit 1`],
    after: [
      `insert into ${table} (${names}) select ${names} from ${NEWEST} where ${id} < (select max(${id}) from ${table})`,
    ],
  };
}

/** The entity's key where the target keeps all of it; else the target's primary key (notes, which hang on an id). */
export function keyColumns(translation: Translation): readonly OutputColumn[] {
  const key = translation.key;
  const natural = translation.columns.filter((column) => key.includes(column.field));
  if (natural.length === key.length) return natural;
  return translation.columns.filter((column) => translation.targetKey.includes(column.column));
}

/** A sequence behind the ids that are there (rows put in by hand, a restored dump) would give one of them again. */
function catchUp({ entity, targetTable, sequence }: Translation): readonly Sql[] {
  if (sequence === undefined || entity.serial === undefined) return [];
  const id = `max(${identifier(entity.serial.field)})`;
  const name = identifier(sequence);
  return [
    `select setval(${literal(name)}, ${id}) from ${identifier(targetTable)} having ${id} > (select last_value from ${name})
       or ${id} = (select last_value from ${name} where not is_called)`,
  ];
}

interface Own {
  readonly entity: string;
  readonly run: string;
  readonly key: readonly OutputColumn[];
  /** Predicate over the staged row `n`. */
  readonly where: Sql;
  readonly isReplaced: boolean;
}

/** Objects that the target did not have, or that are replaced, become ours: a later plan does not take them for somebody else's. */
function recordOwn(own: Own): Sql {
  const key = own.key.map((column) => `n.${identifier(column.column)}`).join(", ");
  return `insert into crosswind.copied_object (source, entity, key, replaced)
    select r.source, ${literal(own.entity)}, jsonb_build_array(${key})::text, ${own.isReplaced} from ${STAGED} n, crosswind.run r
    where r.id = ${literal(own.run)}::uuid and ${own.where} on conflict do nothing`;
}

/** True for the staged rows of the keys: each its values as text in a JSON array. */
function isOneOf(key: readonly OutputColumn[], keys: readonly string[]): Sql {
  const values = key.map((column) => `n.${identifier(column.column)}::text`).join(", ");
  return `jsonb_build_array(${values}) in (${keys.map((each) => `${literal(each)}::jsonb`).join(", ")})`;
}

/** json has no equality; its text has. */
function comparable(alias: string, column: OutputColumn): Sql {
  const name = `${alias}.${identifier(column.column)}`;
  return column.type === "json" ? `${name}::text` : name;
}

function isUpdated(field: Field | undefined, isSerial: boolean): boolean {
  if (isSerial || field === undefined) return false;
  return typeof field.compare !== "object";
}

/**
 * Upsert by the entity's key: rows that differ are updated, missing ones inserted; a row of the target keeps its ids.
 *
 * Fields that verification ignores are never updated: they are the target's own once the row is there. `replaced`: keys, as the plan has
 * them, of the target's own objects that become ours.
 */
export function mergeStatements(translation: Translation, run: string, replaced: readonly string[]): Merge {
  const { entity, columns, onTarget } = translation;
  const table = identifier(translation.targetTable);
  const key = keyColumns(translation);
  const match = key.map((column) => `t.${identifier(column.column)} = n.${identifier(column.column)}`).join(" and ");
  const serial = entity.serial?.field;
  const updated = columns.filter(
    (column) => !key.includes(column) && isUpdated(entity.fields[column.field], column.field === serial),
  );
  const names = columns.map((column) => identifier(column.column));
  const inserted = [...names, ...onTarget.map((each) => identifier(each.column))].join(", ");
  const values = [...names.map((name) => `n.${name}`), ...onTarget.map((each) => each.expression)].join(", ");
  const update =
    updated.length === 0
      ? []
      : [
          counted(
            "updated",
            `update ${table} t set ${updated.map((column) => `${identifier(column.column)} = n.${identifier(column.column)}`).join(", ")}
           from ${STAGED} n where ${match}
           and (${updated.map((column) => `${comparable("t", column)} is distinct from ${comparable("n", column)}`).join(" or ")})`,
          ),
        ];
  const own = { entity: entity.id, run, key };
  const isThere = `exists (select 1 from ${table} t where ${match})`;
  const records = [
    recordOwn({ ...own, where: `not ${isThere}`, isReplaced: false }),
    ...(replaced.length === 0 ? [] : [recordOwn({ ...own, where: isOneOf(key, replaced), isReplaced: true })]),
  ];
  const newest = keepNewest(translation);
  return {
    staged: STAGED,
    tables: [STAGED, ...(newest.after.length === 0 ? [] : [NEWEST])],
    before: [
      ...newest.before,
      `create temporary table ${STAGED} on commit drop as select ${names.join(", ")} from ${table} with no data`,
    ],
    after: [
      { sql: `analyze ${STAGED}` },
      ...(entity.load === "merge" ? records : []).map((sql) => ({ sql })),
      ...update,
      ...catchUp(translation).map((sql) => ({ sql })),
      counted("inserted", `insert into ${table} (${inserted}) select ${values} from ${STAGED} n where not ${isThere}`),
      ...newest.after.map((sql) => ({ sql })),
    ],
  };
}
