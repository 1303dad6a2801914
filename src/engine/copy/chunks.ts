import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { literal } from "../select/filters.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import type { Chunk } from "./copy-chunk.ts";
import type { ReadSnapshot } from "./snapshot.ts";

/** Most bytes of the source's table that one chunk reads: some seconds of work. */
const CHUNK_BYTES = 48 * 1024 * 1024;
/** Tables of less than that are in several chunks, too, so that all lanes have something to do, ... */
const EVEN_PARTS = 4;
/** ... unless a chunk would be smaller than this: beginning and ending one costs about as much as copying a megabyte. */
const LEAST_CHUNK_BYTES = 6 * 1024 * 1024;

/** Blocks that tell how many rows the others have. */
const SAMPLED_BLOCKS = 500;

/** A chunk as it is recorded: the range of blocks, and how the server is asked for it. */
export interface ChunkSpec {
  readonly entity: string;
  readonly name: string;
  readonly from: number;
  /** Exclusive; undefined: to the end. */
  readonly to?: number;
  /** Set where the server finds rows by their addresses only: how many of a block are listed. Rows beyond are in the last chunk. */
  readonly rowsPerBlock?: number;
}

/**
 * Cuts an entity's table into ranges of blocks (`ctid`). Every row that the snapshot sees lies in a block that exists now;
 * the last range is open, so the cut is complete even so.
 */
export async function cutIntoChunks(
  { holder, abilities }: Pick<ReadSnapshot, "holder" | "abilities">,
  translation: Translation,
): Promise<readonly ChunkSpec[]> {
  const [row] = await holder.query<{ blocks: string; size: string }>(
    `select pg_relation_size($1::regclass) / current_setting('block_size')::int as blocks, current_setting('block_size') as size`,
    [identifier(translation.sourceTable)],
  );
  const blocks = Number(row?.blocks ?? 0);
  const bytes = blocks * Number(row?.size ?? 8192);
  const perChunk = Math.min(CHUNK_BYTES, Math.max(LEAST_CHUNK_BYTES, bytes / EVEN_PARTS));
  const count = Math.max(1, Math.ceil(bytes / perChunk));
  const even = Math.ceil(blocks / count);
  const isListed = count > 1 && !abilities.hasTidRangeScan;
  const limit = isListed ? { rowsPerBlock: await usualRowsPerBlock(holder, translation.sourceTable, blocks) } : {};
  return Array.from({ length: count }, (_, index) => ({
    entity: translation.entity.id,
    name: String(index).padStart(6, "0"),
    from: index * even,
    ...(index === count - 1 ? {} : { to: (index + 1) * even }),
    ...limit,
  }));
}

/** The place in its block of the row `s`, counted from 1. */
const PLACE = "(s.ctid::text::point)[1]";

/** The highest place of a row in some hundred blocks here and there. A block may have more: its rows beyond are not lost, only read later. */
async function usualRowsPerBlock(session: Session, table: string, blocks: number): Promise<number> {
  const percent = Math.min(100, (100 * SAMPLED_BLOCKS) / blocks);
  const [row] = await session.query<{ most: number | null }>(
    `select max(${PLACE})::int as most from ${identifier(table)} s tablesample system (${percent})`,
  );
  return row?.most ?? 1;
}

/**
 * The predicate over the source row of a chunk.
 *
 * A server without TID range scans reads the whole table for a range of addresses, which for every chunk would be quadratic; for a list
 * of addresses it reads their blocks alone. The last chunk reads the table once: it has no end, and takes what no list has.
 */
export function chunkPredicate({ from, to, rowsPerBlock }: ChunkSpec): Sql | undefined {
  if (from === 0 && to === undefined) return undefined;
  const start = `s.ctid >= '(${from},0)'::tid`;
  if (rowsPerBlock !== undefined) {
    return to === undefined ? `(${start} or ${PLACE} > ${rowsPerBlock})` : listed({ from, to, rowsPerBlock });
  }
  const parts = [...(from === 0 ? [] : [start]), ...(to === undefined ? [] : [`s.ctid < '(${to},0)'::tid`])];
  return parts.join(" and ");
}

/**
 * Rows by a list of their addresses, which the server makes once; addresses without a row are passed over. One block's are written as text,
 * and again for each block with its number: parsing that takes half the time of making them one by one.
 */
function listed({ from, to, rowsPerBlock }: { from: number; to: number; rowsPerBlock: number }): Sql {
  const ofBlock = `(select string_agg('"(B,' || n || ')"', ',') from generate_series(1, ${rowsPerBlock}) n)`;
  const ofBlocks = `string_agg(replace(${ofBlock}, 'B', b::text), ',')`;
  return `s.ctid = any ((select '{' || ${ofBlocks} || '}' from generate_series(${from}, ${to - 1}) b)::tid[])`;
}

/** A chunk of a run from its recorded form. */
export function chunkOf(run: string, spec: ChunkSpec): Chunk {
  const source = chunkPredicate(spec);
  return { run, entity: spec.entity, name: spec.name, ...(source === undefined ? {} : { source }) };
}

const JOIN = /\bjoin (\w+) (\w+) on (.+?)(?= (?:left )?join |$)/gs;
const SAME = /^(\w+)\.(\w+) = (\w+)\.(\w+)$/;

/** Columns of `s` and of the joined table that are equal; undefined where the join hangs on anything else. */
function equalColumns(
  condition: string,
  alias: string,
): readonly (readonly [own: string, joined: string])[] | undefined {
  const pairs = condition.split(" and ").map((part) => SAME.exec(part.trim()));
  const columns = pairs.map((match) => {
    const [, left, first = "", right, second = ""] = match ?? [];
    if (left === alias && right === "s") return [second, first] as const;
    return left === "s" && right === alias ? ([first, second] as const) : undefined;
  });
  return columns.every((pair) => pair !== undefined) ? columns : undefined;
}

/**
 * True where a joined row is younger than the mark. Where the join hangs on `s` alone, the few young rows are looked up and compared with `s`: only
 * rows that have changed are joined then, of a million.
 */
function joinedSince([, table, alias = "", condition = ""]: RegExpExecArray, young: (alias: string) => Sql): Sql {
  const columns = equalColumns(condition, alias);
  if (columns === undefined) return young(alias);
  const own = columns.map(([name]) => `s.${name}`).join(", ");
  const joined = columns.map(([, name]) => `${alias}.${name}`).join(", ");
  return `(${own}) in (select ${joined} from ${table} ${alias} where ${young(alias)})`;
}

/**
 * Rows changed since a mark, of every table that the entity is read from: by age, which a wrapped counter does not fool. A superset is fine.
 *
 * `dag`: rows of that DAG alone are wanted, of an entity whose joined rows have its id: those are found by index.
 */
export function changedSince(from: Sql | undefined, xid: string, dag?: string): Sql {
  // A joined subquery has no transaction ids.
  if (/\bjoin \(/.test(from ?? "")) return "true";
  const young = (alias: string) => `age(${alias}.xmin) <= age('${Number(xid)}'::xid)`;
  const joined = (alias: string) => (dag === undefined ? "" : `${alias}.dag_id = ${literal(dag)} and `) + young(alias);
  return `(${[young("s"), ...[...(from ?? "").matchAll(JOIN)].map((join) => joinedSince(join, joined))].join(" or ")})`;
}
