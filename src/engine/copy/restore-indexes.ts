import type { Session } from "../../ports/database.ts";
import { identifier } from "../translate/translate.ts";
import type { TakenOff } from "./indexes.ts";

/** What is still off, as a query over `o`; a ledger that somebody looks at may be older than its newest column. */
const OPEN = `select o.id, o.kind, o.on_table, o.name, o.definition, to_jsonb(o) ->> 'index_definition' as index_definition
  from crosswind.taken_off o where o.restored_at is null`;

/** What is still off, of any run: keys and indexes first, largest tables first; foreign keys last, because they need the keys. */
export async function readTakenOff(session: Session): Promise<readonly TakenOff[]> {
  return await session.query<TakenOff & Record<string, unknown>>(
    `${OPEN} order by o.kind = 'foreign key', pg_relation_size(to_regclass(quote_ident(o.on_table))) desc, o.kind = 'index', o.id`,
  );
}

/**
 * How much memory the server may take to sort an index, or to check a foreign key; and no wait for the disk at the commit: a server that crashes then has
 * neither the index nor the note of it, which the next life looks for first, and the run's last commit waits for all of them.
 */
const REBUILDING =
  "select set_config('maintenance_work_mem', '512MB', true), set_config('synchronous_commit', 'off', true)";

async function isThere(session: Session, { kind, name, on_table }: TakenOff): Promise<boolean> {
  const rows =
    kind === "index"
      ? await session.query(
          "select 1 from pg_class where relname = $1 and relkind = 'i' and relnamespace = 'public'::regnamespace",
          [name],
        )
      : await session.query(
          "select 1 from pg_constraint where conname = $1 and conrelid = to_regclass(quote_ident($2))",
          [name, on_table],
        );
  return rows.length > 0;
}

async function isOpen(session: Session, { id }: TakenOff): Promise<boolean> {
  const rows = await session.query(
    "select 1 from crosswind.taken_off where id = $1 and restored_at is null for update",
    [id],
  );
  return rows.length > 0;
}

async function noteRestored(session: Session, { id }: TakenOff): Promise<void> {
  await session.query("update crosswind.taken_off set restored_at = now() where id = $1", [id]);
}

/**
 * Makes an index, or the index of a key, which only {@link putKeysBack} makes a key of: an index can be made while others of the same table are, a
 * key locks the table for all of them. Done already (by an earlier life that was killed before it noted so): only noted.
 */
export async function buildIndex(session: Session, item: TakenOff): Promise<void> {
  const { kind, index_definition } = item;
  if (kind !== "index" && index_definition === null) return;
  await session.transaction(async () => {
    await session.query(REBUILDING);
    if (!(await isOpen(session, item))) return;
    const isMade = (await isThere(session, item)) || (await isThere(session, { ...item, kind: "index" }));
    if (!isMade) await session.query(index_definition ?? item.definition);
    if (kind === "index") await noteRestored(session, item);
  });
}

const UNCHECKED = " NOT VALID";

function addConstraint(item: TakenOff, definition: string): string {
  return `alter table ${identifier(item.on_table)} add constraint ${identifier(item.name)} ${definition}`;
}

/** Serializes what locks many tables. */
const KEYS_LOCK = "select pg_advisory_xact_lock(hashtext('airflow-crosswind foreign keys'))";

/**
 * Puts back all keys, of the indexes that were made for them, and all foreign keys, unchecked: takes no time. The check of a foreign key is a statement
 * of its own, which locks so little that several can run at the same time. Source: PostgreSQL manual, ALTER TABLE, `USING INDEX` and `NOT VALID`.
 */
export async function putKeysBack(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.query(KEYS_LOCK);
    await session.query(REBUILDING);
    const items = (await readTakenOff(session)).filter(({ kind }) => kind !== "index");
    for (const item of items.filter(({ kind }) => kind === "constraint")) {
      const isMade = await isThere(session, { ...item, kind: "index" });
      const kind = item.definition.startsWith("PRIMARY KEY") ? "primary key" : "unique";
      const definition = isMade ? `${kind} using index ${identifier(item.name)}` : item.definition;
      if (!(await isThere(session, item))) await session.query(addConstraint(item, definition));
      await noteRestored(session, item);
    }
    for (const item of items.filter(({ kind }) => kind === "foreign key")) {
      const unchecked = item.definition.endsWith(UNCHECKED) ? item.definition : `${item.definition}${UNCHECKED}`;
      if (!(await isThere(session, item))) await session.query(addConstraint(item, unchecked));
    }
  });
}

/** The check is a join; sorting both tables for it takes three times as long as hashing one, and looking rows up one by one is for few. */
const JOINS = `select set_config('enable_mergejoin', 'off', true), set_config('enable_nestloop', case when
    20 * pg_relation_size(k.conrelid) < pg_relation_size(k.confrelid) then 'on' else 'off' end, true)
  from pg_constraint k where k.conname = $1 and k.conrelid = to_regclass(quote_ident($2))`;

/** Checks one foreign key that was put back unchecked. */
async function checkForeignKey(session: Session, item: TakenOff): Promise<void> {
  await session.transaction(async () => {
    await session.query(REBUILDING);
    await session.query(JOINS, [item.name, item.on_table]);
    if (!(await isOpen(session, item))) return;
    if (!item.definition.endsWith(UNCHECKED))
      await session.query(`alter table ${identifier(item.on_table)} validate constraint ${identifier(item.name)}`);
    await noteRestored(session, item);
  });
}

/** A table with its foreign keys that are to be checked. */
export interface TableCheck {
  readonly table: string;
  readonly foreignKeys: readonly TakenOff[];
}

/** What of the foreign keys is still to be checked, largest tables first: two of one table would wait for each other. */
export async function readUnchecked(session: Session): Promise<readonly TableCheck[]> {
  const open = (await readTakenOff(session)).filter(({ kind }) => kind === "foreign key");
  const tables = Map.groupBy(open, (item) => item.on_table);
  return [...tables].map(([table, foreignKeys]) => ({ table, foreignKeys }));
}

/** Gathers statistics of the keys of a table, and checks its foreign keys. */
export async function checkTable(session: Session, { table, foreignKeys }: TableCheck): Promise<void> {
  await analyzeKeys(session, table);
  for (const item of foreignKeys) await checkForeignKey(session, item);
}

/**
 * Gathers statistics of a table's keys: foreign keys are checked by a join of two large tables, which planned without them took minutes instead
 * of seconds where many rows share a run (tried with 10,000 mapped tasks to a run). Of these columns only, so that the server's own autovacuum
 * still finds the table changed and gathers the rest (source: PostgreSQL, analyze.c, do_analyze_rel); and roughly, of a tenth of the usual sample.
 */
async function analyzeKeys(session: Session, table: string): Promise<void> {
  const columns = await session.query<{ name: string }>(
    `select distinct a.attname as name from crosswind.taken_off o, pg_attribute a
     where o.on_table = $1 and o.kind in ('constraint', 'foreign key') and a.attrelid = to_regclass(quote_ident(o.on_table)) and a.attnum > 0
     and a.attname = any (string_to_array(replace(substring(o.definition from '\\(([^)]*)\\)'), '"', ''), ', ')) order by 1`,
    [table],
  );
  if (columns.length === 0) return;
  const names = columns.map(({ name }) => identifier(name)).join(", ");
  await session.transaction(async () => {
    await session.query("select set_config('default_statistics_target', '10', true)");
    await session.query(`analyze ${identifier(table)} (${names})`);
  });
}

/** Puts everything back, one after the other: what a later command does for a run that was killed. */
export async function restoreAll(session: Session): Promise<number> {
  const items = await readTakenOff(session);
  if (items.length === 0) return 0;
  for (const item of items) await buildIndex(session, item);
  await putKeysBack(session);
  for (const check of await readUnchecked(session)) await checkTable(session, check);
  return items.length;
}
