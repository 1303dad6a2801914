import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "verification writes nothing on either side.";

export const nothingCopied = defineProblem<{ target: string }>({
  code: "VERIFY_NOTHING_COPIED",
  what: ({ target }) => `the ledger of the ${target} knows no copy from this source: there is nothing to compare.`,
  safe: () => NOTHING,
  next: () => ["crosswind plan, then crosswind apply", "crosswind status shows what was copied to the target"],
  retry: "after-fix",
});

export const verifyStopped = defineProblem<{ compared: string; left: number }>({
  code: "VERIFY_STOPPED",
  what: ({ compared, left }) =>
    `verification was stopped; compared so far: ${compared}. Not compared: ${left} kinds of content.`,
  safe: () => NOTHING,
  next: () => [
    "crosswind verify --resume    goes on: what was read of whole tables is kept",
    "crosswind verify    starts again from the beginning",
  ],
  retry: "after-fix",
});

export const repairNeedsPostgres = defineProblem<{ target: string }>({
  code: "VERIFY_REPAIR_NEEDS_POSTGRES",
  what: ({ target }) => `only rows of a target on Postgres can be repaired one by one, and the ${target} is none.`,
  safe: () => NOTHING,
  next: () => [
    "crosswind verify    compares without repairing",
    "crosswind plan, then crosswind apply    merges all rows again",
  ],
  retry: "never",
});
