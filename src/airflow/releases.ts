import type { Release } from "../domain/release.ts";

/**
 * A head of Airflow's own schema migrations and the releases whose databases have it.
 * Source: `_REVISION_HEADS_MAP` in airflow/utils/db.py of 2.11 and 3.3; for 1.10 the tags in its migration files.
 */
export interface ReleaseRow {
  /** `alembic_version.version_num`. */
  readonly head: string;
  /** The release that stands for it in ranges of entity files. */
  readonly release: Release;
  /** First and last release with this head: up to and including `to`, or up to and excluding `before`; neither: the newest. */
  readonly from: Release;
  readonly to?: Release;
  readonly before?: Release;
  /** Recorded schema files. Without one the release is known, but was never tried. */
  readonly schemas?: readonly Release[];
}

/** Every head from 1.10.7 on, oldest first. A release is one line here (and a schema file, if its schema changed). */
export const releases: readonly ReleaseRow[] = [
  { head: "fe461863935f", release: "1.10.7", from: "1.10.7", to: "1.10.7" },
  { head: "7939bcff74ba", release: "1.10.8", from: "1.10.8", to: "1.10.9" },
  { head: "952da73b5eff", release: "1.10.10", from: "1.10.10", to: "1.10.10" },
  { head: "a66efa278eea", release: "1.10.11", from: "1.10.11", to: "1.10.11" },
  { head: "da3f683c3a5a", release: "1.10.12", from: "1.10.12", to: "1.10.12" },
  { head: "03afc6b6f902", release: "1.10.15", from: "1.10.13", to: "1.10.15", schemas: ["1.10.15"] },
  { head: "e959f08ac86c", release: "2.0.0", from: "2.0.0", before: "2.0.1" },
  { head: "82b7c48c147f", release: "2.0.1", from: "2.0.1", before: "2.0.2" },
  { head: "2e42bb497a22", release: "2.0.2", from: "2.0.2", before: "2.1.0", schemas: ["2.0.2"] },
  { head: "a13f7613ad25", release: "2.1.0", from: "2.1.0", before: "2.1.3" },
  { head: "97cdd93827b8", release: "2.1.3", from: "2.1.3", before: "2.1.4" },
  { head: "ccde3e26fe78", release: "2.1.4", from: "2.1.4", before: "2.2.0" },
  { head: "7b2661a43ba3", release: "2.2.0", from: "2.2.0", before: "2.2.3" },
  { head: "be2bfac3da23", release: "2.2.3", from: "2.2.3", before: "2.2.4" },
  { head: "587bdf053233", release: "2.2.5", from: "2.2.4", before: "2.3.0", schemas: ["2.2.5"] },
  { head: "b1b348e02d07", release: "2.3.0", from: "2.3.0", before: "2.3.1" },
  { head: "1de7bc13c950", release: "2.3.1", from: "2.3.1", before: "2.3.2" },
  { head: "3c94c427fdf6", release: "2.3.2", from: "2.3.2", before: "2.3.3" },
  { head: "f5fcbda3e651", release: "2.3.3", from: "2.3.3", before: "2.4.0" },
  { head: "ecb43d2a1842", release: "2.4.0", from: "2.4.0", before: "2.4.2" },
  { head: "b0d31815b5a6", release: "2.4.2", from: "2.4.2", before: "2.4.3" },
  { head: "e07f49787c9d", release: "2.4.3", from: "2.4.3", before: "2.5.0", schemas: ["2.4.3"] },
  { head: "290244fb8b83", release: "2.5.3", from: "2.5.0", before: "2.6.0", schemas: ["2.5.3"] },
  { head: "98ae134e6fff", release: "2.6.0", from: "2.6.0", before: "2.6.2" },
  { head: "c804e5c76e3e", release: "2.6.2", from: "2.6.2", before: "2.7.0" },
  { head: "405de8318b3a", release: "2.7.3", from: "2.7.0", before: "2.8.0", schemas: ["2.7.3"] },
  { head: "10b52ebd31f7", release: "2.8.0", from: "2.8.0", before: "2.8.1" },
  { head: "88344c1d9134", release: "2.8.4", from: "2.8.1", before: "2.9.0", schemas: ["2.8.4"] },
  { head: "1949afb29106", release: "2.9.0", from: "2.9.0", before: "2.9.2" },
  { head: "686269002441", release: "2.9.3", from: "2.9.2", before: "2.10.0", schemas: ["2.9.3"] },
  { head: "22ed7efa9da2", release: "2.10.0", from: "2.10.0", before: "2.10.3" },
  { head: "5f2621c13b39", release: "2.11.0", from: "2.10.3", before: "3.0.0", schemas: ["2.10.5", "2.11.0"] },
  { head: "29ce7909c52b", release: "3.0.0", from: "3.0.0", before: "3.0.3" },
  { head: "fe199e1abd77", release: "3.0.6", from: "3.0.3", before: "3.1.0", schemas: ["3.0.6"] },
  { head: "cc92b33c6709", release: "3.1.0", from: "3.1.0", before: "3.1.8" },
  { head: "509b94a1042d", release: "3.1.8", from: "3.1.8", before: "3.2.0", schemas: ["3.1.8"] },
  { head: "1d6611b6ab7c", release: "3.2.2", from: "3.2.0", before: "3.3.0", schemas: ["3.2.2"] },
  { head: "d2f4e1b3c5a7", release: "3.3.2", from: "3.3.0", schemas: ["3.3.2"] },
];

/** All releases with a recorded schema, oldest first. */
export const recordedReleases: readonly Release[] = releases.flatMap((row) => row.schemas ?? []);

/** The release row for a head, or undefined for a head we do not know. */
export function releaseOfHead(head: string): ReleaseRow | undefined {
  return releases.find((row) => row.head === head);
}

/** What to call the releases of a row: `2.10.3 to 2.11`, `3.3.0 and later`. */
export function describeRelease(row: ReleaseRow): string {
  if (row.to !== undefined) return row.to === row.from ? row.from : `${row.from} to ${row.to}`;
  return row.before === undefined ? `${row.from} and later` : `${row.from} and later, before ${row.before}`;
}
