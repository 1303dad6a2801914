import { isProblem } from "../../domain/problem.ts";
import type { Session } from "../../ports/database.ts";
import { identifier } from "../translate/translate.ts";
import * as problems from "./problems.ts";

/** An index or constraint that was taken off, as the ledger keeps it. */
export interface TakenOff {
  readonly id: number;
  readonly kind: "index" | "constraint" | "foreign key";
  readonly on_table: string;
  readonly name: string;
  readonly definition: string;
  /** Of a key: the index that it is made of, where it can be made before the key. */
  readonly index_definition: string | null;
}

/** Rows that a table may hold and still count as empty: a log row or a default pool that Airflow itself wrote. */
const FEW_ROWS = 1000;
/** Below this many rows the rebuild costs more than it saves. */
const WORTH_IT_ROWS = 20_000;
const LOCK_TIMEOUT_MS = 5000;

/** Why the indexes of the target stay on, or undefined when they may be taken off. */
export async function reasonToKeepIndexes(session: Session): Promise<string | undefined> {
  const [others] = await session.query<{ n: string }>(
    `select count(*) as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
     and usename is not null and coalesce(backend_type, 'client backend') = 'client backend'
     and coalesce(application_name, '') not like 'crosswind %'`,
  );
  const count = Number(others?.n ?? 0);
  return count === 0 ? undefined : `${count} other sessions use the target's database`;
}

async function isNearlyEmpty(session: Session, table: string): Promise<boolean> {
  const [row] = await session.query<{ n: string }>(
    `select count(*) as n from (select 1 from ${identifier(table)} limit ${FEW_ROWS + 1}) few`,
  );
  return Number(row?.n ?? 0) <= FEW_ROWS;
}

/** Foreign keys first (on the tables and towards them), then keys, then indexes: the order in which they can be dropped. */
const CANDIDATES = `
  select 'foreign key' as kind, c.relname as on_table, o.conname as name, pg_get_constraintdef(o.oid) as definition,
    null as index_definition, 1 as rank
  from pg_constraint o join pg_class c on c.oid = o.conrelid
  where o.contype = 'f' and (o.conrelid = any($1::regclass[]) or o.confrelid = any($1::regclass[]))
  union all
  select 'constraint', c.relname, o.conname, pg_get_constraintdef(o.oid), case when not o.condeferrable then pg_get_indexdef(o.conindid) end, 2
  from pg_constraint o join pg_class c on c.oid = o.conrelid
  where o.contype in ('p', 'u') and o.conrelid = any($1::regclass[])
  union all
  select 'index', c.relname, i.relname, pg_get_indexdef(x.indexrelid), null, 3
  from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
  where x.indrelid = any($1::regclass[]) and not x.indisreplident and not x.indisclustered
  and not exists (select 1 from pg_constraint o where o.conindid = x.indexrelid and o.contype in ('p', 'u', 'x'))
  order by 6, 2, 3`;

/** What stands against taking off and putting back: tables of others, and a schema in which no index may be made. */
const NOT_OURS = `
  select 1 from pg_class c where not pg_has_role(c.relowner, 'USAGE') and (c.oid = any($1::regclass[]) or exists (
    select 1 from pg_constraint o where o.contype = 'f' and o.conrelid = c.oid and o.confrelid = any($1::regclass[])))
  union all
  select 1 from pg_constraint o where o.contype = 'f' and o.conrelid = any($1::regclass[])
    and not has_table_privilege(o.confrelid, 'REFERENCES')
  union all
  select 1 where not has_schema_privilege('public', 'CREATE') limit 1`;

/** True when the role may drop the tables' indexes and keys, and make them again: only an owner may. */
export async function mayTakeOff(session: Session, tables: readonly string[]): Promise<boolean> {
  return (await session.query(NOT_OURS, [tables.map(identifier)])).length === 0;
}

function dropStatement(item: Omit<TakenOff, "id">): string {
  const name = identifier(item.name);
  return item.kind === "index"
    ? `drop index ${name}`
    : `alter table ${identifier(item.on_table)} drop constraint ${name}`;
}

interface TableLoad {
  readonly table: string;
  readonly rows: number;
}

/**
 * Takes off what makes loading slow from tables that are (nearly) empty, while nobody else uses them. The ledger's rows and the DROPs are
 * one transaction: whatever is missing on the target is in the ledger. Gives the number taken off, 0 where it may not be done.
 */
export async function takeOffIndexes(session: Session, run: string, loads: readonly TableLoad[]): Promise<number> {
  const tables: string[] = [];
  for (const load of loads) {
    if (load.rows >= WORTH_IT_ROWS && (await isNearlyEmpty(session, load.table))) tables.push(load.table);
  }
  if (tables.length === 0 || !(await mayTakeOff(session, tables))) return 0;
  return await takeOffTables(session, run, tables).catch((error: unknown) => {
    // Somebody holds a lock: the copy is right with the indexes on, too.
    if (isProblem(error) && error.code === "DATABASE_LOCKED") return 0;
    throw error;
  });
}

async function takeOffTables(session: Session, run: string, tables: readonly string[]): Promise<number> {
  return await session.transaction(async () => {
    await session.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await session.query(`lock table ${tables.map(identifier).join(", ")} in access exclusive mode`);
    if ((await reasonToKeepIndexes(session)) !== undefined) return 0;
    const items = await session.query<Omit<TakenOff, "id"> & Record<string, unknown>>(CANDIDATES, [
      tables.map(identifier),
    ]);
    for (const item of items) {
      await session.query(
        `insert into crosswind.taken_off (run, kind, on_table, name, definition, index_definition)
         values ($1, $2, $3, $4, $5, $6)`,
        [run, item.kind, item.on_table, item.name, item.definition, item.index_definition],
      );
      await session.query(dropStatement(item));
    }
    return items.length;
  });
}

/** Compares the definitions with those that were taken off. Throws TARGET_INDEXES_CHANGED. */
export async function compareDefinitions(session: Session, run: string): Promise<void> {
  const rows = await session.query<{ name: string }>(
    `select o.name from crosswind.taken_off o where o.run = $1 and o.definition is distinct from (case o.kind
       when 'index' then (select pg_get_indexdef(i.oid) from pg_class i where i.relname = o.name and i.relkind = 'i'
         and i.relnamespace = 'public'::regnamespace)
       else (select pg_get_constraintdef(k.oid) from pg_constraint k join pg_class c on c.oid = k.conrelid
         where k.conname = o.name and c.relname = o.on_table and c.relnamespace = 'public'::regnamespace) end)`,
    [run],
  );
  if (rows.length > 0) throw problems.indexesChanged({ names: rows.map((row) => row.name).join(", ") });
}
