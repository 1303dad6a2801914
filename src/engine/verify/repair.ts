import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { Sql } from "../../domain/entity.ts";
import { NO_CONFLICTS } from "../../domain/plan.ts";
import { isProblem } from "../../domain/problem.ts";
import { dagRunOf, type Lanes } from "../copy/copy-context.ts";
import { RowCopier } from "../copy/row-copier.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { labelFields, matchingColumns } from "./compared-columns.ts";
import { inBuckets, isInBuckets, type RowShape } from "./digest-sql.ts";
import type { RepairedEntity } from "./report.ts";
import { labelColumn, sourceRows, targetRows } from "./row-queries.ts";
import { putTranslated, TRANSLATED_ROWS } from "./translated-rows.ts";
import type { VerifyContext } from "./verify-context.ts";
import type { Verified } from "./verify-history.ts";

/** What differs of one entity, and how it is written. */
interface Damaged {
  readonly lanes: Lanes;
  readonly verified: Verified;
}

type Written = Omit<RepairedEntity, "entity" | "title">;

const NOTHING: Written = { inserted: 0, updated: 0, deleted: 0 };

const PLACE = "place of the row";

/** Where rows of ours are in the target's table, by the buckets of their keys, and their keys. */
function placesOfOurs(context: VerifyContext, { optimistic }: Lanes, shape: RowShape, buckets: readonly number[]): Sql {
  const fields = { ...optimistic.entity.fields, [PLACE]: { rows: [{ read: "s.ctid" }] } };
  const owned = { ...context.owned, also: [`c.${identifier(PLACE)} as place`] };
  const rows = targetRows({ ...optimistic, entity: { ...optimistic.entity, fields } }, shape.key, owned);
  return inBuckets(rows, shape, buckets);
}

/** Deletes rows of ours that the source does not have, of the buckets that differ. Gives how many. */
async function deleteUnexpected(context: VerifyContext, { lanes, verified }: Damaged): Promise<number> {
  const { optimistic } = lanes;
  const columns = matchingColumns(optimistic);
  const shape = { columns, key: columns, hashes: context.hashes };
  const canonical = context.rowsOf(optimistic);
  const keys = inBuckets(sourceRows(optimistic, { columns, source: undefined, canonical }), shape, verified.buckets);
  const labels = labelFields(optimistic).map(labelColumn);
  // As text: a NULL in a key is the same as another one, and the server can hash it.
  const text = (alias: string) =>
    `row(${columns.map(({ column }) => `${alias}.${identifier(column)}`).join(", ")})::text`;
  const gone = `select place from (${placesOfOurs(context, lanes, shape, verified.buckets)}) r
    where not exists (select from (${TRANSLATED_ROWS}) k where ${text("k")} = ${text("r")})`;
  await using source = await context.snapshot.session();
  await using target = await context.job.target.session();
  return await target.transaction(async () => {
    await putTranslated(source, target, keys, { columns, labels, codecs: context.codecs });
    const [row] = await target.query<{ n: number }>(
      `with deleted as (delete from ${identifier(optimistic.targetTable)} where ctid = any(array(${gone})) returning 1)
       select count(*)::int as n from deleted`,
    );
    return row?.n ?? 0;
  });
}

/** Predicate over the canonical row `c` of the source: its key on the target is in one of the buckets. */
function ofBuckets(translation: Translation, context: VerifyContext, buckets: readonly number[]): Sql {
  const key = matchingColumns(translation).map(({ expression, type }) => ({ sql: `(${expression})::${type}`, type }));
  return isInBuckets(key, context.hashes, buckets);
}

/** Merges all rows of the buckets that differ: those that are the same stay as they are. */
async function mergeAgain(copier: RowCopier, context: VerifyContext, { lanes, verified }: Damaged): Promise<Written> {
  const { entity } = lanes.optimistic;
  const at = context.job.now().toISOString();
  // Named as what came after a copy: it is no part of the history that was copied.
  const chunk = { run: context.run, entity: entity.id, name: `changed since verify at ${at}` };
  const canonical = ofBuckets(copier.lanes(entity.id).optimistic, context, verified.buckets);
  const whole = verified.buckets.length === 0;
  const { inserted, updated } = await copier.merge(whole ? chunk : { ...chunk, canonical });
  return { inserted, updated, deleted: 0 };
}

/** What the target refuses of one entity is told, and the others are repaired all the same. */
async function refusedOr(work: () => Promise<Written>): Promise<Written> {
  try {
    return await work();
  } catch (error) {
    if (!isProblem(error) || error.report.retry !== "after-fix") throw error;
    return { ...NOTHING, refused: error.report.what };
  }
}

function sum(a: Written, b: Written): Written {
  return {
    inserted: a.inserted + b.inserted,
    updated: a.updated + b.updated,
    deleted: a.deleted + b.deleted,
    ...(a.refused === undefined && b.refused === undefined ? {} : { refused: a.refused ?? b.refused ?? "" }),
  };
}

/**
 * Brings rows that differ to what the source has, by the copy's own merge: parents first. Where deletions are carried, rows of ours that the
 * source does not have are deleted before, children first. Never a row of a DAG that is live on the target, nor one of the target's own.
 */
export async function repair(
  context: VerifyContext,
  found: readonly Verified[],
  deletions: "keep" | "carry",
): Promise<readonly RepairedEntity[]> {
  const { job, run, snapshot, resolved: selection, ids } = context;
  const copyJob = { ...job, run, conflicts: NO_CONFLICTS, now: job.now() };
  const copier = new RowCopier({ job: copyJob, snapshot, selection, dagRun: dagRunOf(job, dagRunEntity), ids });
  const damaged = context.lanes.flatMap((lanes): readonly Damaged[] => {
    const verified = found.find(({ entity }) => entity.entity === lanes.optimistic.entity.id);
    return verified === undefined ? [] : [{ lanes, verified }];
  });
  const written = new Map<Damaged, Written>();
  const note = (of: Damaged, more: Written) => written.set(of, sum(written.get(of) ?? NOTHING, more));
  if (deletions === "carry") {
    for (const each of damaged.filter(({ verified }) => verified.entity.unexpected > 0).toReversed()) {
      const work = async () => ({ ...NOTHING, deleted: await deleteUnexpected(context, each) });
      note(each, await refusedOr(work));
    }
  }
  for (const each of damaged.filter(({ verified: { entity } }) => entity.different + entity.missing > 0)) {
    note(each, await refusedOr(() => mergeAgain(copier, context, each)));
  }
  return [...written].map(([{ lanes }, each]) => {
    const { id, title } = lanes.optimistic.entity;
    return { entity: id, title, ...each };
  });
}
