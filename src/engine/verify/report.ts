/** A column that is not compared, and why. */
export interface IgnoredColumn {
  readonly column: string;
  readonly reason: string;
}

/**
 * How an entity compared. Counts are rows: `sourceRows` of the selection, `targetRows` of those that are ours.
 *
 * `sourceRows = equal + different + missing` and `targetRows = equal + different + unexpected`.
 */
export interface VerifiedEntity {
  readonly entity: string;
  readonly title: string;
  readonly sourceRows: number;
  readonly targetRows: number;
  readonly equal: number;
  readonly different: number;
  /** The target does not have them. */
  readonly missing: number;
  /** Only the target has them, among rows that a copy wrote. */
  readonly unexpected: number;
  /** `digest`: sums of hashes, then rows where they differ; `values`: every value, secrets as keyed digests. */
  readonly comparedAs: "digest" | "values";
  /** True where secrets were compared after decryption. */
  readonly decrypted: boolean;
  readonly ignored: readonly IgnoredColumn[];
}

/** Both values of a column; null is SQL NULL. Very long values are cut, with their length and a digest. */
export interface ColumnDifference {
  readonly column: string;
  readonly source: string | null;
  readonly target: string | null;
}

/** A row that is not the same on both sides. `columns` is empty where one side has no row. */
export interface RowDifference {
  readonly entity: string;
  readonly kind: "different" | "missing" | "unexpected";
  /** What names the row to people: its key, mostly. */
  readonly label: string;
  readonly columns: readonly ColumnDifference[];
}

/** What a repair did to one entity. */
export interface RepairedEntity {
  readonly entity: string;
  readonly title: string;
  /** Rows that the target did not have, that it had with other values, and that it alone had. */
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** Why rows of it were not written, where the target refused them. */
  readonly refused?: string;
}

/** What verification found, after the repair where there was one. Equal when `differences` is empty. */
export interface VerifyReport {
  readonly entities: readonly VerifiedEntity[];
  /** In detail, at most `maxDifferences` of each entity; the counts of `entities` are complete. */
  readonly differences: readonly RowDifference[];
  /** Runs that were not compared because they are, or were when they would have been copied, not finished. */
  readonly leftOutRuns: number;
  /** Rows of the source that were compared. */
  readonly rows: number;
  /** The share of the rows of history that was compared, where not all: buckets of keys out of 256. */
  readonly sample?: { readonly buckets: number; readonly of: number };
  /** DAGs that are live on the target: compared with the source, and no difference of theirs counts or is repaired. */
  readonly live?: { readonly dags: readonly string[]; readonly entities: readonly VerifiedEntity[] };
  /** Set where something was repaired. */
  readonly repaired?: readonly RepairedEntity[];
  /** Set where a comparison went on that had been stopped: when the oldest of what it had read then was read, ISO 8601. */
  readonly resumedFrom?: string;
  readonly seconds: number;
}

/** Rows of an entity that are not the same on both sides. */
export function differing({ different, missing, unexpected }: VerifiedEntity): number {
  return different + missing + unexpected;
}

/** Rows of all entities that are not the same on both sides. */
export function allDiffering({ entities }: Pick<VerifyReport, "entities">): number {
  return entities.reduce((sum, each) => sum + differing(each), 0);
}

/** True when no entity has a difference. */
export function isEqual(report: Pick<VerifyReport, "entities">): boolean {
  return allDiffering(report) === 0;
}
