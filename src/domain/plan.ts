import type { Finding } from "./finding.ts";
import type { Selection } from "./selection.ts";

/** What a plan knows of one side, and what it is bound to. */
export interface PlannedSide {
  /** `user@host:port/database`; of a landed source its URL without the password. */
  readonly label: string;
  /** The releases that the schema belongs to, for people: `2.10.3 and later, before 3.0.0`. */
  readonly airflow: string;
  /** The release that stands for them in entity files. */
  readonly release: string;
  /** Postgres' version, as `15.8`; of a landed source product and version, as `MariaDB 10.11.6`. */
  readonly server: string;
  /** Which database this is, wherever it is reached: system identifier and database oid; of a landed source its own. */
  readonly identity: string;
  readonly sizeBytes: number;
  /** Version tables and their heads. */
  readonly heads: Readonly<Record<string, string>>;
  /** Digest of the probed columns. */
  readonly columns: string;
  /** Digest of the Fernet keys; null where none was given. */
  readonly keys: string | null;
}

/** Rows that stay behind, and why. */
export interface LeftBehind {
  readonly rows: number;
  readonly reason: string;
}

/** One line of the plan. Counts are rows of the source. */
export interface PlannedEntity {
  readonly entity: string;
  readonly title: string;
  readonly sourceRows: number;
  readonly toCopy: number;
  /** Of `toCopy`: rows that the target has already with the same key. */
  readonly alreadyThere: number;
  /** Of `toCopy`: rows that do not go over byte for byte, because the releases or the keys differ. */
  readonly translated: number;
  readonly leftBehind: readonly LeftBehind[];
  readonly estimatedBytes: number;
}

/** What identifies a DAG run everywhere. */
export interface RunKey {
  readonly dag_id: string;
  readonly run_id: string;
}

/** Rows that both sides have with different values, as `select.onConflict` settles them. */
export interface SettledConflicts {
  /** By entity: keys of objects that stay as they are on the target; the values of a key as text, in a JSON array. */
  readonly keptObjects: Readonly<Record<string, readonly string[]>>;
  /** By entity: keys of the target's own objects that become the source's. */
  readonly replacedObjects: Readonly<Record<string, readonly string[]>>;
  /** Runs that stay as they are on the target, with everything that hangs on them. */
  readonly keptRuns: readonly RunKey[];
  /** Runs of the target whose content becomes the source's. */
  readonly replacedRuns: readonly RunKey[];
}

export const NO_CONFLICTS: SettledConflicts = {
  keptObjects: {},
  replacedObjects: {},
  keptRuns: [],
  replacedRuns: [],
};

/** The saved, reviewable list of what an apply would change. */
export interface Plan {
  readonly format: 1;
  readonly id: string;
  readonly createdAt: string;
  /** Version of airflow-crosswind that made it. */
  readonly crosswind: string;
  readonly source: PlannedSide;
  readonly target: PlannedSide;
  readonly selection: Selection;
  readonly acceptsLoss: boolean;
  readonly conflicts: SettledConflicts;
  readonly entities: readonly PlannedEntity[];
  readonly findings: readonly Finding[];
  readonly estimate: {
    readonly rows: number;
    readonly bytes: number;
    readonly seconds: readonly [low: number, high: number];
  };
}
