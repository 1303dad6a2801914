import { defineProblem } from "../domain/problem.ts";

const NOTHING = "nothing was written on either side.";
const NEXT =
  "name a Postgres, MySQL or MariaDB database that the target's own Airflow has initialised, as target.database in crosswind.yaml";

export const targetSqlite = defineProblem({
  code: "TARGET_IS_SQLITE",
  what: () => "the target is a SQLite file, which Airflow itself does not support in production.",
  safe: () => NOTHING,
  next: () => [NEXT, "or, where it is somebody's own Airflow 3 to try things on: crosswind plan --force"],
  retry: "after-fix",
});

const CHUNK =
  "the chunk was rolled back; every chunk before it is in the target and in the ledger, the source was not touched.";

export const uploadConflict = defineProblem<{ table: string; chunk: string; detail: string }>({
  code: "UPLOAD_CONFLICT",
  what: ({ table, chunk, detail }) =>
    `the target's own Airflow wrote to ${table} since the target was read, and the copy would overwrite it (chunk ${chunk}): ${detail}.`,
  safe: () => `no row of the target's own was changed; ${CHUNK}`,
  next: () => [
    "stop the target's scheduler, DAG processor, triggerer and API server for the time of the copy",
    "crosswind plan    reads the target as it is now, and says what is in the way",
    "crosswind apply   with the new plan: rows that are there already are recognised",
  ],
  retry: "after-fix",
});

export const uploadRefused = defineProblem<{ table: string; chunk: string; detail: string }>({
  code: "UPLOAD_REFUSED",
  what: ({ table, chunk, detail }) => `the target refuses rows of ${table} (chunk ${chunk}): ${detail}.`,
  safe: () => CHUNK,
  next: () => [
    "mend the rows on the source or leave their DAG out (select.dags in crosswind.yaml), then plan again",
    "report it: the plan should have named these rows",
  ],
  retry: "after-fix",
});
