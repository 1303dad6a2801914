import { defineProblem } from "../domain/problem.ts";

export const workerNeedsPostgres = defineProblem<Record<string, never>>({
  code: "WORKER_NEEDS_POSTGRES",
  what: () =>
    "a worker shares the work between two Postgres databases, and one of these is none: it is landed by one process.",
  safe: () => "nothing was written on either side by this command.",
  next: () => ["crosswind apply    does it in one process, and goes on after any interruption"],
  retry: "never",
});
