import { columnOf, rowOf } from "../../airflow/define-entity.ts";
import type { Entity, Sql } from "../../domain/entity.ts";
import type { Release } from "../../domain/release.ts";
import { type ChunkSpec, chunkPredicate, cutIntoChunks } from "../copy/chunks.ts";
import type { ReadSnapshot } from "../copy/snapshot.ts";
import { literal } from "../select/filters.ts";
import { identifier, type Translation } from "../translate/translate.ts";

/** A stretch of a table that one statement reads: a predicate over its row `s`; undefined: all of it. */
export type Slice = Sql | undefined;

interface Cut {
  /** The table's own release. */
  readonly release: Release;
  /** The only DAGs whose rows are wanted, where they are few. */
  readonly dags: readonly string[] | undefined;
  /** At most so many slices. */
  readonly most: number;
}

/** Where the table's row says which DAG it belongs to. */
function dagOf({ fields, scope }: Entity, release: Release): Sql | undefined {
  const name = scope.of === "environment" ? undefined : scope.dag;
  const field = name === undefined ? undefined : fields[name];
  if (name === undefined || field === undefined) return undefined;
  const column = columnOf(field, name, release);
  return rowOf(field, release)?.read ?? (column === undefined ? undefined : `s.${identifier(column)}`);
}

/** Predicate over `s`: the row belongs to one of these DAGs; undefined where the row itself does not say. */
export function ofDags(entity: Entity, release: Release, dags: readonly string[] | undefined): Slice {
  const dag = dagOf(entity, release);
  if (dags === undefined || dag === undefined) return undefined;
  return `${dag} = any(array[${dags.map(literal).join(",")}]::text[])`;
}

/** Chunks of one slice at most, about a gigabyte: what a comparison that is stopped reads again. */
const SLICE_CHUNKS = 20;

/** Deals things out into at most so many groups of neighbours. */
function grouped<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const size = Math.ceil(all.length / Math.max(1, Math.min(most, all.length)));
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}

/** One range of blocks instead of neighbouring ones. */
function joined(specs: readonly ChunkSpec[]): ChunkSpec {
  const [first, last] = [specs[0], specs.at(-1)];
  if (first === undefined || last === undefined) throw new Error("a slice has at least one chunk");
  const { to: _to, ...rest } = first;
  return { ...rest, ...(last.to === undefined ? {} : { to: last.to }) };
}

/**
 * Cuts a table for a comparison: into ranges of blocks, read once each; or, where only few DAGs are wanted, by DAG, so that an index finds
 * their rows.
 */
export async function cutIntoSlices(
  snapshot: Pick<ReadSnapshot, "holder" | "abilities">,
  translation: Translation,
  { release, dags, most }: Cut,
): Promise<readonly Slice[]> {
  const specs = await cutIntoChunks(snapshot, translation);
  if (dags !== undefined && dags.length > 0 && dagOf(translation.entity, release) !== undefined) {
    return grouped(dags, Math.min(most, specs.length)).map((each) => ofDags(translation.entity, release, each));
  }
  return grouped(specs, Math.max(most, Math.ceil(specs.length / SLICE_CHUNKS))).map((each) =>
    chunkPredicate(joined(each)),
  );
}
