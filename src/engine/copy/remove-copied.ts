import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { literal } from "../select/filters.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { keyColumns } from "./merge.ts";

/** What became of the copied rows of an entity that the target has not changed since. */
export interface RemovedRows {
  readonly entity: string;
  readonly removed: number;
  /** Rows that rows of the target's own refer to: these stay, too. */
  readonly kept: number;
}

/** A row of the ledger is written in the transaction of its chunk: what has that transaction's number was written by us, and by nobody since. */
const WRITTEN = `create temporary table crosswind_written on commit drop as
  select distinct c.xmin::text as xid from crosswind.chunk c join crosswind.run r on r.id = c.run where r.source = $1`;

/** True for the rows `t` that we wrote and that were not there before us: an object that was replaced or only brought up to date was the target's. */
function isOurs({ entity, ...translation }: Translation, source: string): Sql {
  const isWritten = "t.xmin::text in (select xid from crosswind_written)";
  // Of what keeps its newest row, that row was written once more: it is ours, too, although its key was there.
  if (entity.load === "bulk" || entity.keepsNewest !== undefined) return isWritten;
  const key = keyColumns({ entity, ...translation }).map(({ column }) => `t.${identifier(column)}`);
  return `${isWritten} and jsonb_build_array(${key.join(", ")})::text in (select o.key from crosswind.copied_object o
    where o.source = ${literal(source)} and o.entity = ${literal(entity.id)} and not o.replaced)`;
}

const REFERENCES = `
  select c.conrelid::regclass::text as child,
    (select array_agg(a.attname::text order by k.n) from unnest(c.conkey) with ordinality k(num, n)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num) as "from",
    (select array_agg(a.attname::text order by k.n) from unnest(c.confkey) with ordinality k(num, n)
      join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num) as "to"
  from pg_constraint c where c.contype = 'f' and c.confrelid = to_regclass(quote_ident($1)) and c.conrelid <> c.confrelid`;

/** True for the rows `t` that no row refers to: what hangs on them would go with them, or keep them from going. */
async function isFree(target: Session, table: string): Promise<Sql> {
  const references = await target.query<{ child: string; from: readonly string[]; to: readonly string[] }>(REFERENCES, [
    table,
  ]);
  const nobody = references.map(({ child, from, to }) => {
    const same = from.map((column, index) => `x.${identifier(column)} = t.${identifier(to[index] ?? "")}`);
    return `not exists (select from ${child} x where ${same.join(" and ")})`;
  });
  return ["true", ...nobody].join(" and ");
}

async function removeOf(target: Session, translation: Translation, source: string): Promise<RemovedRows> {
  const table = identifier(translation.targetTable);
  const ours = isOurs(translation, source);
  const [gone] = await target.query<{ n: string }>(
    `with gone as (delete from ${table} t where ${ours} and ${await isFree(target, translation.targetTable)} returning 1)
     select count(*) as n from gone`,
  );
  const [left] = await target.query<{ n: string }>(`select count(*) as n from ${table} t where ${ours}`);
  return { entity: translation.entity.id, removed: Number(gone?.n ?? 0), kept: Number(left?.n ?? 0) };
}

/**
 * Removes the rows that the ledger knows as ours and that the target has not changed since, those that refer to others first. In the session's
 * transaction, which the caller commits or rolls back. `translations`: in the order in which they are copied; `source`: its identity.
 */
export async function removeCopied(
  target: Session,
  translations: readonly Translation[],
  source: string,
): Promise<readonly RemovedRows[]> {
  await target.query(WRITTEN, [source]);
  const removed: RemovedRows[] = [];
  for (const translation of translations.toReversed()) removed.push(await removeOf(target, translation, source));
  return removed.filter((each) => each.removed + each.kept > 0).toReversed();
}
