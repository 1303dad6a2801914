import { defineProblem } from "../domain/problem.ts";

export const stateUnreachable = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_UNREACHABLE",
  what: ({ where, reason }) => `the state database at ${where} can not be used: ${reason}.`,
  safe: () => "nothing was written on either side by this command.",
  next: () => [
    "check --state or `state:` in crosswind.yaml; without it an embedded Postgres is started in .crosswind/",
  ],
  retry: "after-fix",
});
