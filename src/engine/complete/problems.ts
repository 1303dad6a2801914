import { defineProblem } from "../../domain/problem.ts";

const NOTHING_REMOVED = "nothing was removed; the migration goes on.";

export const nothingToComplete = defineProblem<{ target: string }>({
  code: "COMPLETE_NOTHING_COPIED",
  what: ({ target }) => `${target} has no record of a migration.`,
  safe: () => NOTHING_REMOVED,
  next: () => ["check target.database in crosswind.yaml: crosswind config show"],
  retry: "never",
});

export const switchUnderWay = defineProblem<{ dags: string }>({
  code: "COMPLETE_SWITCH_UNDER_WAY",
  what: ({ dags }) => `DAGs are on their way between both sides: ${dags}.`,
  safe: () => NOTHING_REMOVED,
  next: () => ["finish them: crosswind cutover, with the same DAGs", "or restore them: crosswind cancel"],
  retry: "after-fix",
});

export const differencesLeft = defineProblem<{ count: number }>({
  code: "COMPLETE_DIFFERENCES",
  what: ({ count }) => `${count} rows differ between both sides.`,
  safe: () => NOTHING_REMOVED,
  next: () => [
    "see them: crosswind verify",
    "bring what changed: crosswind sync; mend the target: crosswind verify --repair",
    "or leave them: crosswind complete --accept-differences REASON",
  ],
  retry: "after-fix",
});

export const notConfirmed = defineProblem<{ file: string }>({
  code: "COMPLETE_NOT_CONFIRMED",
  what: ({ file }) => `the evidence is in ${file}; nobody has said that the record may be removed.`,
  safe: () => NOTHING_REMOVED,
  next: () => [
    "read it, then: crosswind complete --yes; after that there is no crosswind sync and no crosswind reverse",
  ],
  retry: "after-fix",
});
