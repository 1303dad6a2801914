import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "verification writes nothing on either side.";

export const nothingCopied = defineProblem<{ target: string }>({
  code: "VERIFY_NOTHING_COPIED",
  what: ({ target }) => `the ledger of the ${target} knows no copy from this source: there is nothing to compare.`,
  safe: () => NOTHING,
  next: () => ["crosswind plan, then crosswind apply", "crosswind status shows what was copied to the target"],
  retry: "after-fix",
});

export const verifyStopped = defineProblem<{ entity: string }>({
  code: "VERIFY_STOPPED",
  what: ({ entity }) => `verification was stopped before it had compared all of ${entity}.`,
  safe: () => NOTHING,
  next: () => ["crosswind verify    starts again from the beginning"],
  retry: "after-fix",
});
