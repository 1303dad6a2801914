import { defineProblem } from "../../domain/problem.ts";

export const mysqlTooOld = defineProblem<{ where: string; server: string }>({
  code: "MYSQL_TOO_OLD",
  what: ({ where, server }) =>
    `the server at ${where} is ${server}; MySQL 5.7 and MariaDB 10.4 are the oldest that can be read.`,
  safe: () => "nothing was written on either side.",
  next: () => ["upgrade the server, or load a dump of it into a newer one and name that as the source"],
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
