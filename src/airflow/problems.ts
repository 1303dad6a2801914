import { defineProblem } from "../domain/problem.ts";

const NOTHING = "nothing was written on either side.";

export const databaseNotInitialised = defineProblem<{ side: string; where: string }>({
  code: "DATABASE_NOT_INITIALISED",
  what: ({ side, where }) =>
    `the ${side} at ${where} is no Airflow metadata database: it has no table alembic_version with a head.`,
  safe: () => NOTHING,
  next: ({ side }) => [
    `check that the ${side}'s URL names the right database`,
    "let its Airflow make the schema: `airflow db migrate` (2.7 and later), `airflow db init` (2.0 to 2.6), `airflow initdb` (1.10)",
  ],
  retry: "after-fix",
});

export const headUnknown = defineProblem<{ side: string; where: string; head: string; newest: string }>({
  code: "SCHEMA_HEAD_UNKNOWN",
  what: ({ side, where, head, newest }) =>
    `the ${side} at ${where} has the schema head ${head}, which belongs to no release known here (the newest is ${newest}).`,
  safe: () => NOTHING,
  next: () => [
    "a newer Airflow: update airflow-crosswind (or add the release: docs/contributing/airflow-release.md)",
    "a schema migration that was interrupted: finish it with `airflow db migrate`",
  ],
  retry: "after-fix",
});

export const halfMigrated = defineProblem<{ side: string; where: string; heads: string; differences: string }>({
  code: "SCHEMA_HALF_MIGRATED",
  what: ({ side, where, heads, differences }) =>
    `the ${side} at ${where} is between two releases (schema head ${heads}): ${differences}.`,
  safe: () => NOTHING,
  next: () => ["finish the schema migration with the Airflow it belongs to: `airflow db migrate`, then plan again"],
  retry: "after-fix",
});
