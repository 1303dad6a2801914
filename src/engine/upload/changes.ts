import type { Session } from "../../ports/database.ts";
import type { TargetTable } from "../../ports/raw-target.ts";
import { identifier } from "../translate/translate.ts";
import { BASE } from "./mirror.ts";

/** Blocks of 8 KiB of one chunk: some ten thousand rows, a second or two of the target's time. */
const CHUNK_BLOCKS = 1024;

/** A stretch of what a copy did to one table of the mirror. */
export interface UploadSpec {
  readonly table: string;
  /** `added`: was not there before; `changed`, `deleted`: was. */
  readonly kind: "added" | "changed" | "deleted";
  /** Blocks of the mirror's table, up to and excluding `to`; only of added rows. */
  readonly from?: number;
  readonly to?: number;
}

/** Unique within a run. */
export function specName({ table, kind, from }: UploadSpec): string {
  return from === undefined ? `${table} ${kind}` : `${table} ${kind} ${from}`;
}

function places({ name, key }: TargetTable) {
  return {
    now: `public.${identifier(name)}`,
    before: `${BASE}.${identifier(name)}`,
    sameKey: key.map((column) => `n.${identifier(column)} = b.${identifier(column)}`).join(" and "),
  };
}

const DIFFERS = "(n.*)::text is distinct from (b.*)::text";

/** FROM and WHERE of the rows of a spec: `n` as they are in the mirror, `b` as they were. */
export function rowsOfSpec(table: TargetTable, { kind, from, to }: UploadSpec): string {
  const { now, before, sameKey } = places(table);
  if (kind === "changed") return `${now} n join ${before} b on ${sameKey} where ${DIFFERS}`;
  if (kind === "deleted") return `${before} b where not exists (select from ${now} n where ${sameKey})`;
  const blocks =
    from === undefined || to === undefined ? "" : `n.ctid >= '(${from},0)'::tid and n.ctid < '(${to},0)'::tid and `;
  return `${now} n where ${blocks}not exists (select from ${before} b where ${sameKey})`;
}

async function isAny(session: Session, from: string): Promise<boolean> {
  const [row] = await session.query<{ any: boolean }>(`select exists (select from ${from}) as any`);
  return row?.any === true;
}

async function blocksOf(session: Session, { name }: TargetTable): Promise<number> {
  const [row] = await session.query<{ blocks: number }>(
    "select (pg_relation_size($1::regclass) / current_setting('block_size')::bigint)::int as blocks",
    [`public.${identifier(name)}`],
  );
  return row?.blocks ?? 0;
}

async function cutTable(session: Session, table: TargetTable, isWhole: boolean): Promise<readonly UploadSpec[]> {
  const specs: UploadSpec[] = [];
  for (const kind of ["deleted", "changed"] as const) {
    const spec = { table: table.name, kind };
    if (await isAny(session, rowsOfSpec(table, spec))) specs.push(spec);
  }
  if (!(await isAny(session, rowsOfSpec(table, { table: table.name, kind: "added" })))) return specs;
  if (isWhole) return [...specs, { table: table.name, kind: "added" }];
  const blocks = await blocksOf(session, table);
  for (let from = 0; from < blocks; from += CHUNK_BLOCKS)
    specs.push({ table: table.name, kind: "added", from, to: from + CHUNK_BLOCKS });
  return specs;
}

interface Cut {
  readonly tables: readonly TargetTable[];
  /** Tables that are not cut: their rows are objects, which the ledger lists one by one. */
  readonly whole: ReadonlySet<string>;
}

/** What the copy did to the mirror, cut into chunks. The same as long as nobody writes to the mirror. */
export async function cutChanges(session: Session, { tables, whole }: Cut): Promise<readonly UploadSpec[]> {
  const specs: UploadSpec[] = [];
  for (const table of tables) {
    if (table.key.length > 0) specs.push(...(await cutTable(session, table, whole.has(table.name))));
  }
  return specs;
}
