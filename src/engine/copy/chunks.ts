import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import type { Chunk } from "./copy-chunk.ts";

/** Most bytes of the source's table that one chunk reads: some seconds of work. */
const CHUNK_BYTES = 48 * 1024 * 1024;
/** Tables of less than that are in several chunks, too, so that all lanes have something to do, ... */
const EVEN_PARTS = 4;
/** ... unless a chunk would be smaller than this: beginning and ending one costs about as much as copying a megabyte. */
const LEAST_CHUNK_BYTES = 6 * 1024 * 1024;

/** A chunk as it is recorded: the range of blocks is all that it needs. */
export interface ChunkSpec {
  readonly entity: string;
  readonly name: string;
  readonly from: number;
  /** Exclusive; undefined: to the end. */
  readonly to?: number;
}

/**
 * Cuts an entity's table into ranges of blocks (`ctid`). Every row that the snapshot sees lies in a block that exists now;
 * the last range is open, so the cut is complete even so.
 */
export async function cutIntoChunks(session: Session, translation: Translation): Promise<readonly ChunkSpec[]> {
  const [row] = await session.query<{ blocks: string; size: string }>(
    `select pg_relation_size($1::regclass) / current_setting('block_size')::int as blocks, current_setting('block_size') as size`,
    [identifier(translation.sourceTable)],
  );
  const blocks = Number(row?.blocks ?? 0);
  const bytes = blocks * Number(row?.size ?? 8192);
  const perChunk = Math.min(CHUNK_BYTES, Math.max(LEAST_CHUNK_BYTES, bytes / EVEN_PARTS));
  const count = Math.max(1, Math.ceil(bytes / perChunk));
  const even = Math.ceil(blocks / count);
  return Array.from({ length: count }, (_, index) => ({
    entity: translation.entity.id,
    name: String(index).padStart(6, "0"),
    from: index * even,
    ...(index === count - 1 ? {} : { to: (index + 1) * even }),
  }));
}

/** The predicate over the source row of a chunk. */
export function chunkPredicate(spec: ChunkSpec): Sql | undefined {
  const parts = [
    ...(spec.from === 0 ? [] : [`s.ctid >= '(${spec.from},0)'::tid`]),
    ...(spec.to === undefined ? [] : [`s.ctid < '(${spec.to},0)'::tid`]),
  ];
  return parts.length === 0 ? undefined : parts.join(" and ");
}

/** A chunk of a run from its recorded form. */
export function chunkOf(run: string, spec: ChunkSpec): Chunk {
  const source = chunkPredicate(spec);
  return { run, entity: spec.entity, name: spec.name, ...(source === undefined ? {} : { source }) };
}

/** Rows changed since a mark, of every table that the entity is read from: by age, which a wrapped counter does not fool. A superset is fine. */
export function changedSince(from: Sql | undefined, xid: string): Sql {
  // A joined subquery has no transaction ids.
  if (/\bjoin \(/.test(from ?? "")) return "true";
  const aliases = ["s", ...[...(from ?? "").matchAll(/\bjoin \w+ (\w+) on\b/g)].map((match) => match[1] as string)];
  return `(${aliases.map((alias) => `age(${alias}.xmin) <= age('${Number(xid)}'::xid)`).join(" or ")})`;
}
