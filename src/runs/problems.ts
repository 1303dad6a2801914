import { defineProblem } from "../domain/problem.ts";

export const stateLost = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_LOST",
  what: ({ where, reason }) => `the connection to the state database at ${where} was lost: ${reason}.`,
  safe: () =>
    "finished chunks are in the target and in the ledger, unfinished ones were rolled back; the source was not touched.",
  next: () => ["when it answers again, run the same command: it goes on where it stopped"],
  retry: "automatic",
});

export const stateUnreachable = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_UNREACHABLE",
  what: ({ where, reason }) => `the state database at ${where} can not be used: ${reason}.`,
  safe: () => "nothing was written on either side by this command.",
  next: () => [
    "check --state or `state:` in crosswind.yaml; without it an embedded Postgres is started in .crosswind/",
  ],
  retry: "after-fix",
});
