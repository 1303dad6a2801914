import { defineProblem } from "../../domain/problem.ts";

export const stagingRefused = defineProblem<{ where: string; reason: string; role: string }>({
  code: "STAGING_REFUSED",
  what: ({ where, reason }) =>
    `no database for landing the source can be made on the staging server at ${where}: ${reason}.`,
  safe: () => "nothing was written on either side.",
  next: ({ role }) => [
    `let its role make databases, as a superuser there: ALTER ROLE ${role} CREATEDB;`,
    "or leave out the setting staging in crosswind.yaml: an embedded Postgres is used then",
  ],
  retry: "after-fix",
});
