import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import type { RowCopier } from "../copy/row-copier.ts";
import { literal } from "../select/filters.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { labelFields, matchingColumns } from "../verify/compared-columns.ts";
import { labelColumn, type Ownership, sourceRows, targetRows } from "../verify/row-queries.ts";
import { putTranslated, TRANSLATED_ROWS } from "../verify/translated-rows.ts";

/** Rows of ours that the source no longer has. */
export interface DeletedRows {
  readonly entity: string;
  /** Plural, for people. */
  readonly title: string;
  /** Null: of no DAG. */
  readonly dag: string | null;
  readonly rows: number;
  /** True where they were deleted on the target, too. */
  readonly isCarried: boolean;
}

/** `keep`: history that was deleted on the source stays on the target and is told; `carry`: it is deleted there, too. */
export type Deletions = "keep" | "carry";

interface Sides {
  readonly source: Session;
  readonly target: Session;
}

const PLACE = "place of the row";

function dagOf({ entity: { scope } }: Translation): Sql {
  return scope.of === "environment" ? "null::text" : `c.${identifier(scope.dag)}`;
}

/** The target's rows of ours with their keys, DAG and place. */
function oursOnTarget(translation: Translation, owned: Ownership): Sql {
  const also = [`${dagOf(translation)} as dag`, `c.${identifier(PLACE)} as place`];
  return targetRows(withPlace(translation), matchingColumns(translation), { ...owned, also });
}

function withPlace(translation: Translation): Translation {
  const { entity } = translation;
  return {
    ...translation,
    entity: { ...entity, fields: { ...entity.fields, [PLACE]: { rows: [{ read: "s.ctid" }] } } },
  };
}

async function countByDag(session: Session, rows: Sql): Promise<ReadonlyMap<string | null, number>> {
  const counts = await session.query<{ dag: string | null; n: string }>(
    `select dag, count(*)::text as n from (${rows}) r group by 1`,
  );
  return new Map(counts.map(({ dag, n }) => [dag, Number(n)]));
}

export interface DeletionsOptions {
  readonly rows: RowCopier;
  readonly owned: Ownership;
  readonly deletions: Deletions;
}

/** DAGs of which the target has more rows of ours than the source has. */
async function surplus(sides: Sides, translation: Translation, { rows, owned }: DeletionsOptions) {
  const where = rows.rowsOf(translation);
  const condition = where === undefined ? "" : ` where ${where}`;
  const there = await countByDag(sides.target, oursOnTarget(translation, owned));
  const here = await countByDag(
    sides.source,
    `select ${dagOf(translation)} as dag from (${translation.canonical()}) c${condition}`,
  );
  return [...there].filter(([dag, n]) => n > (here.get(dag) ?? 0)).map(([dag]) => dag);
}

/**
 * Finds rows of ours of one entity that the source no longer has, and deletes them where deletions are carried. Runs in a transaction of
 * the target session; after the upsert, so that a row that moved is not taken for a deleted one.
 */
export async function findDeleted(
  sides: Sides,
  translation: Translation,
  options: DeletionsOptions,
): Promise<readonly DeletedRows[]> {
  if (translation.entity.load === "merge") return [];
  const dags = await surplus(sides, translation, options);
  if (dags.length === 0) return [];
  const columns = matchingColumns(translation);
  const ofDags = (dag: Sql) =>
    dags.map((each) => (each === null ? `${dag} is null` : `${dag} = ${literal(each)}`)).join(" or ");
  const all = options.rows.rowsOf(translation);
  const canonical = [...(all === undefined ? [] : [`(${all})`]), `(${ofDags(dagOf(translation))})`].join(" and ");
  await putTranslated(sides.source, sides.target, sourceRows(translation, { columns, source: undefined, canonical }), {
    columns,
    labels: labelFields(translation).map(labelColumn),
    codecs: options.rows.job.codecs,
  });
  // Compared as texts: `is not distinct from` can not be hashed, which takes the product of both sides.
  const keyOf = (alias: string) =>
    `row(${columns.map(({ column }) => `${alias}.${identifier(column)}`).join(", ")})::text`;
  const gone = `select r.dag, r.place from (${oursOnTarget(translation, options.owned)}) r
    where (${ofDags("r.dag")}) and not exists (select from (${TRANSLATED_ROWS}) k where ${keyOf("k")} = ${keyOf("r")})`;
  const isCarried = options.deletions === "carry";
  const table = identifier(translation.targetTable);
  const found = await sides.target.query<{ dag: string | null; n: string }>(
    isCarried
      ? `with gone as materialized (${gone}), deleted as (delete from ${table} where ctid in (select place from gone) returning 1)
         select dag, count(*)::text as n from gone group by 1 order by 1`
      : `select dag, count(*)::text as n from (${gone}) g group by 1 order by 1`,
  );
  return found.map(({ dag, n }) => ({
    entity: translation.entity.id,
    title: translation.entity.title,
    dag,
    rows: Number(n),
    isCarried,
  }));
}
