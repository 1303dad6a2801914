import { defineProblem } from "../domain/problem.ts";

const NOTHING = "nothing was written on either side.";
const NEXT =
  "name a Postgres, MySQL or MariaDB database that the target's own Airflow has initialised, as target.database in crosswind.yaml";

export const targetSqlite = defineProblem({
  code: "TARGET_IS_SQLITE",
  what: () =>
    "the target is a SQLite file, which Airflow itself does not support in production; Crosswind only reads these.",
  safe: () => NOTHING,
  next: () => [NEXT],
  retry: "after-fix",
});
