import { defineProblem } from "../domain/problem.ts";

export const stateLost = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_LOST",
  what: ({ where, reason }) => `the connection to the state database at ${where} was lost: ${reason}.`,
  safe: () =>
    "finished chunks are in the target and in the ledger, unfinished ones were rolled back; the source was not touched.",
  next: () => ["when it answers again, run the same command: it goes on where it stopped"],
  retry: "automatic",
});

export const runOfOtherVersion = defineProblem<{ begunBy: string; now: string }>({
  code: "RUN_OF_OTHER_VERSION",
  what: ({ begunBy, now }) => `the run was begun by crosswind ${begunBy}, and this is crosswind ${now}.`,
  safe: () => "finished chunks are in the target and in the ledger; nothing was done by this command.",
  next: ({ begunBy }) => [
    "crosswind plan    makes a plan for this version, which leaves alone what is there already",
    `or let crosswind ${begunBy} finish the run with the same command`,
  ],
  retry: "after-fix",
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
