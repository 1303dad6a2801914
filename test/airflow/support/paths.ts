import { fileURLToPath } from "node:url";

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The DAG files that both the source and the target run. */
export const dagFolder = folder("../dags/");

/** Scripts for a release's own Python. */
export const pythonFolder = folder("../python/");

/** Recorded databases. */
export const fixtureFolder = folder("../../fixtures/");

/** The DAG file that disappears from the source before the move. */
export const deletedDagFile = "source_deleted.py";

/** The DAGs of the files that the target has too. */
export const dagIds = [
  "cw_scheduled",
  "cw_outcomes",
  "cw_mapped",
  "cw_xcoms",
  "cw_configured",
  "cw_producer",
  "cw_consumer",
  "cw_starter",
  "cw_sensor",
  "cw_unfinished",
] as const;
