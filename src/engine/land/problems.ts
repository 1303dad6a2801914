import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "nothing was written on either side; only the staging database was touched.";

export const valueRefused = defineProblem<{ table: string; state: string }>({
  code: "LANDING_VALUE_REFUSED",
  what: ({ table, state }) =>
    `staging refuses a value of the source's table ${table} (SQLSTATE ${state}), and every value looked as if it fitted.`,
  safe: () => NOTHING,
  next: () => ["report it with the SQLSTATE and the table's definition; the value itself is not needed"],
  retry: "never",
});

export const landingUnderWay = defineProblem<{ source: string }>({
  code: "LANDING_UNDER_WAY",
  what: ({ source }) => `another command is landing ${source} in the same staging database.`,
  safe: () => NOTHING,
  next: () => ["wait until it has ended, then run the same command"],
  retry: "automatic",
});

export const landedUnfit = defineProblem<{ count: number; first: string }>({
  code: "LANDING_UNFIT",
  what: ({ count, first }) =>
    `the source has ${count} ${count === 1 ? "finding" : "findings"} that a copy can not pass; the first: ${first}.`,
  safe: () => "nothing was written to the target by this command.",
  next: () => ["crosswind plan    lists all of them with what to do"],
  retry: "after-fix",
});

export const landingStopped = defineProblem<{ source: string }>({
  code: "LANDING_STOPPED",
  what: ({ source }) => `landing ${source} was stopped before its end.`,
  safe: () => "nothing was written on either side; staging holds the landing before this one, if there was one.",
  next: () => ["run the same command again: it begins with landing the source"],
  retry: "after-fix",
});
