import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "nothing was written on either side.";

export const sameDatabase = defineProblem<{ label: string }>({
  code: "SAME_DATABASE",
  what: ({ label }) => `source and target are the same database (${label}).`,
  safe: () => NOTHING,
  next: () => ["name another database as the target in crosswind.yaml"],
  retry: "after-fix",
});

export const planStale = defineProblem<{ file: string; changes: string }>({
  code: "PLAN_STALE",
  what: ({ changes }) => `the plan no longer holds: ${changes}.`,
  safe: () => NOTHING,
  next: ({ file }) => [`plan again: crosswind plan -o ${file}`],
  retry: "after-fix",
});

export const planBlocked = defineProblem<{ file: string; count: number; first: string }>({
  code: "PLAN_BLOCKED",
  what: ({ count, first }) => `the plan is blocked by ${count} findings; the first: ${first}.`,
  safe: () => NOTHING,
  next: ({ file }) => [`mend them, then plan again: crosswind plan -o ${file}`],
  retry: "after-fix",
});

export const conflictChoiceUnknown = defineProblem<{ entities: string; known: string }>({
  code: "CONFLICT_CHOICE_UNKNOWN",
  what: ({ entities }) => `select.onConflict names what has no choice of its own: ${entities}.`,
  safe: () => NOTHING,
  next: ({ known }) => [
    `use one of ${known}; what hangs on a DAG run follows the choice for dag_run`,
    "crosswind config show",
  ],
  retry: "after-fix",
});

export const nothingSelected = defineProblem<{ patterns: string; what?: string }>({
  code: "NOTHING_SELECTED",
  what: ({ patterns, what = "DAG of the source" }) => `the selection ${patterns} matches no ${what}.`,
  safe: () => NOTHING,
  next: () => [
    "check select.dags and select.entities in crosswind.yaml, or --dag and --entity",
    "crosswind config show",
  ],
  retry: "after-fix",
});

export const targetKeyUnfit = defineProblem<{ detail: string; next: string }>({
  code: "TARGET_KEY_UNFIT",
  what: ({ detail }) => `${detail}.`,
  safe: () => "nothing was written: secrets would have been encrypted so that the target can not read them.",
  next: ({ next }) => [next, "crosswind doctor compares keys and secrets"],
  retry: "after-fix",
});
