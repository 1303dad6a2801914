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
  select 'foreign key' as kind, c.relname as on_table, o.conname as name, pg_get_constraintdef(o.oid) as definition, 1 as rank
  from pg_constraint o join pg_class c on c.oid = o.conrelid
  where o.contype = 'f' and (o.conrelid = any($1::regclass[]) or o.confrelid = any($1::regclass[]))
  union all
  select 'constraint', c.relname, o.conname, pg_get_constraintdef(o.oid), 2
  from pg_constraint o join pg_class c on c.oid = o.conrelid
  where o.contype in ('p', 'u') and o.conrelid = any($1::regclass[])
  union all
  select 'index', c.relname, i.relname, pg_get_indexdef(x.indexrelid), 3
  from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
  where x.indrelid = any($1::regclass[]) and not x.indisreplident and not x.indisclustered
  and not exists (select 1 from pg_constraint o where o.conindid = x.indexrelid and o.contype in ('p', 'u', 'x'))
  order by 5, 2, 3`;

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

function createStatement(item: TakenOff): string {
  if (item.kind === "index") return item.definition;
  return `alter table ${identifier(item.on_table)} add constraint ${identifier(item.name)} ${item.definition}`;
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
        "insert into crosswind.taken_off (run, kind, on_table, name, definition) values ($1, $2, $3, $4, $5)",
        [run, item.kind, item.on_table, item.name, item.definition],
      );
      await session.query(dropStatement(item));
    }
    return items.length;
  });
}

/** What is still off, of any run: keys and indexes first, largest tables first; foreign keys last, because they need the keys. */
export async function readTakenOff(session: Session): Promise<readonly TakenOff[]> {
  return await session.query<TakenOff & Record<string, unknown>>(
    `select o.id, o.kind, o.on_table, o.name, o.definition from crosswind.taken_off o
     where o.restored_at is null
     order by o.kind = 'foreign key', pg_relation_size(to_regclass(quote_ident(o.on_table))) desc, o.kind = 'index', o.id`,
  );
}

/** Serializes the first half of putting foreign keys back: it locks both tables of every key. */
const FOREIGN_KEYS_LOCK = "select pg_advisory_xact_lock(hashtext('airflow-crosswind foreign keys'))";

/**
 * Puts back the foreign keys that are missing, unchecked, all at once: their check is a statement of its own, which locks so little that
 * several can run at the same time. Source: PostgreSQL manual, ALTER TABLE, notes on NOT VALID.
 */
async function addForeignKeys(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.query(FOREIGN_KEYS_LOCK);
    const missing = await session.query<TakenOff & Record<string, unknown>>(
      `select o.id, o.kind, o.on_table, o.name, o.definition from crosswind.taken_off o
       where o.restored_at is null and o.kind = 'foreign key' and not exists (select 1 from pg_constraint k
         where k.conname = o.name and k.conrelid = to_regclass(quote_ident(o.on_table))) order by o.id`,
    );
    for (const item of missing) {
      const isUnchecked = item.definition.endsWith(UNCHECKED);
      await session.query(`${createStatement(item)}${isUnchecked ? "" : UNCHECKED}`);
    }
  });
}

const UNCHECKED = " NOT VALID";

/** Creates the index or constraint where it is missing, and checks the foreign key that was put back unchecked. */
async function create(session: Session, item: TakenOff): Promise<void> {
  const [there] = await session.query<{ valid: boolean }>(
    item.kind === "index"
      ? "select true as valid from pg_class where relname = $1 and relkind = 'i' and relnamespace = 'public'::regnamespace"
      : "select o.convalidated as valid from pg_constraint o join pg_class c on c.oid = o.conrelid where o.conname = $1 and c.relname = $2",
    item.kind === "index" ? [item.name] : [item.name, item.on_table],
  );
  if (there === undefined) await session.query(createStatement(item));
  else if (!there.valid && !item.definition.endsWith(UNCHECKED))
    await session.query(`alter table ${identifier(item.on_table)} validate constraint ${identifier(item.name)}`);
}

/** Puts one back; done already (by an earlier life that was killed before it noted so): only noted. */
export async function restoreOne(session: Session, item: TakenOff): Promise<void> {
  if (item.kind === "foreign key") await addForeignKeys(session);
  await session.transaction(async () => {
    await session.query("set local maintenance_work_mem = '512MB'");
    // The check of a foreign key is a join; sorting both tables for it takes three times as long as hashing one.
    await session.query("set local enable_mergejoin = off");
    const [open] = await session.query(
      "select 1 from crosswind.taken_off where id = $1 and restored_at is null for update",
      [item.id],
    );
    if (open === undefined) return;
    await create(session, item);
    await session.query("update crosswind.taken_off set restored_at = now() where id = $1", [item.id]);
  });
}

/**
 * Gathers statistics of a table's keys: foreign keys are checked by a join of two large tables, which planned without them took minutes instead
 * of seconds where many rows share a run (tried with 10,000 mapped tasks to a run). Of these columns only, so that the server's own autovacuum
 * still finds the table changed and gathers the rest (source: PostgreSQL, analyze.c, do_analyze_rel).
 */
export async function analyzeKeys(session: Session, table: string): Promise<void> {
  const columns = await session.query<{ name: string }>(
    `select distinct a.attname as name from crosswind.taken_off o, pg_attribute a
     where o.on_table = $1 and o.kind in ('constraint', 'foreign key') and a.attrelid = to_regclass(quote_ident(o.on_table)) and a.attnum > 0
     and a.attname = any (string_to_array(replace(substring(o.definition from '\\(([^)]*)\\)'), '"', ''), ', ')) order by 1`,
    [table],
  );
  if (columns.length === 0) return;
  const names = columns.map(({ name }) => identifier(name)).join(", ");
  await session.query(`analyze ${identifier(table)} (${names})`);
}

/** Puts everything back, one after the other: what a later command does for a run that was killed. */
export async function restoreAll(session: Session): Promise<number> {
  const items = await readTakenOff(session);
  const [keys, foreignKeys] = [
    items.filter((item) => item.kind !== "foreign key"),
    items.filter((item) => item.kind === "foreign key"),
  ];
  for (const item of keys) await restoreOne(session, item);
  for (const table of new Set(items.map((item) => item.on_table))) await analyzeKeys(session, table);
  for (const item of foreignKeys) await restoreOne(session, item);
  return items.length;
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
