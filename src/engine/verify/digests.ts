import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";

/** What the rows of a bucket came to: how many, and the sum of their hashes. */
interface Digest {
  readonly rows: number;
  readonly sum: bigint;
}

/** By bucket; sums over several chunks. */
export type Digests = Map<number, Digest>;

const NO_ROWS: Digest = { rows: 0, sum: 0n };

/** Runs a digest query. */
export async function readDigests(session: Session, query: Sql): Promise<Digests> {
  const rows = await session.query<{ bucket: number; rows: string; sum: string }>(query);
  return new Map(rows.map(({ bucket, rows: count, sum }) => [bucket, { rows: Number(count), sum: BigInt(sum) }]));
}

/** Adds digests to others; gives how many rows they are of. */
export function addDigests(sums: Digests, more: Digests): number {
  let rows = 0;
  for (const [bucket, each] of more) {
    const sum = sums.get(bucket) ?? NO_ROWS;
    rows += each.rows;
    sums.set(bucket, { rows: sum.rows + each.rows, sum: sum.sum + each.sum });
  }
  return rows;
}

/** Rows of all buckets. */
export function countRows(digests: Digests): number {
  return [...digests.values()].reduce((sum, each) => sum + each.rows, 0);
}

/** Buckets that are not the same on both sides. */
export function differingBuckets(source: Digests, target: Digests): readonly number[] {
  return [...new Set([...source.keys(), ...target.keys()])].filter((bucket) => {
    const [ours, theirs] = [source.get(bucket) ?? NO_ROWS, target.get(bucket) ?? NO_ROWS];
    return ours.rows !== theirs.rows || ours.sum !== theirs.sum;
  });
}
