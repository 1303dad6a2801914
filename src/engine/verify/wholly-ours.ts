import type { Session } from "../../ports/database.ts";
import type { IdRule } from "../copy/ledger-ids.ts";

/** Tables whose rows can not be without a run: foreign keys lead from them to it, valid ones, of columns that can not be NULL. */
const HANG_ON_RUNS = `with recursive hanging(oid) as (
    select to_regclass('dag_run')::oid
    union
    select f.conrelid from hanging h join pg_constraint f on f.confrelid = h.oid
    where f.contype = 'f' and f.convalidated and not exists (
      select from unnest(f.conkey) k join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k where not a.attnotnull))
  select c.relname::text as name from hanging h join pg_class c on c.oid = h.oid where c.relname <> 'dag_run'`;

/**
 * Tables of a target of which every row is one that a copy wrote, because every run is: as in a target that was empty. Their rows need not be
 * joined with the runs, which takes about as long as hashing them.
 */
export async function whollyOurs(target: Session, runs: IdRule | undefined): Promise<ReadonlySet<string>> {
  if (runs === undefined || runs.exceptions.length > 0) return new Set();
  const others = await target.query("select 1 from dag_run where id < $1 or id > $2 limit 1", [runs.low, runs.high]);
  if (others.length > 0) return new Set();
  const rows = await target.query<{ name: string }>(HANG_ON_RUNS);
  return new Set(rows.map((row) => row.name));
}
