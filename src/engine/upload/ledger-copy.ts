import type { Session } from "../../ports/database.ts";
import type { KeptLedger } from "../../ports/raw-target.ts";
import { createLedger } from "../copy/ledger.ts";
import { identifier } from "../translate/translate.ts";

/** Indexes of the mirror itself. */
const OF_THE_MIRROR = "taken_off";

async function ledgerTables(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'crosswind' and tablename <> $1 order by 1",
    [OF_THE_MIRROR],
  );
  return rows.map((row) => row.name);
}

/** Where a mirror keeps the objects that were copied before its run: those of the run itself count when they are uploaded. */
export const COPIED_BEFORE = "crosswind_mirror.copied_object";

/**
 * The ledger of a mirror, to be kept beside the target. `isFinished`: everything in it is there. Until then it must not claim an object that the
 * target may have got from somebody else.
 */
export async function dumpLedger(
  session: Session,
  { isFinished }: { readonly isFinished: boolean },
): Promise<KeptLedger> {
  const tables: Record<string, readonly string[]> = {};
  for (const name of await ledgerTables(session)) {
    const from = name === "copied_object" && !isFinished ? COPIED_BEFORE : `crosswind.${identifier(name)}`;
    const rows = await session.query<{ row: string }>(`select to_jsonb(t)::text as row from ${from} t`);
    if (rows.length > 0) tables[name] = rows.map(({ row }) => row);
  }
  return { tables };
}

/** Replaces the ledger of a landed target by the one that was kept for it; none: it is removed. */
export async function restoreLedger(session: Session, kept: KeptLedger | undefined): Promise<void> {
  await session.query("drop schema if exists crosswind cascade");
  if (kept === undefined) return;
  await createLedger(session);
  const known = new Set(await ledgerTables(session));
  for (const [name, rows] of Object.entries(kept.tables)) {
    if (!known.has(name)) continue;
    const table = `crosswind.${identifier(name)}`;
    // Another Crosswind may have kept it: columns that it did not know get their defaults.
    const columns = Object.keys(JSON.parse(rows[0] ?? "{}") as object)
      .map(identifier)
      .join(", ");
    await session.query(
      `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
      [`[${rows.join(",")}]`],
    );
  }
}

/** Objects that came with the rows of a chunk: those that the target did not have, or those that are replaced. */
export async function objectsOf(
  session: Session,
  { entities, replaced }: { readonly entities: readonly string[]; readonly replaced: boolean },
): Promise<KeptLedger | undefined> {
  const rows = await session.query<{ row: string }>(
    `select to_jsonb(o)::text as row from crosswind.copied_object o where o.entity = any($1) and o.replaced = $2
     and not exists (select from ${COPIED_BEFORE} b where (b.source, b.entity, b.key) = (o.source, o.entity, o.key))`,
    [entities, replaced],
  );
  return rows.length === 0 ? undefined : { tables: { copied_object: rows.map(({ row }) => row) } };
}
