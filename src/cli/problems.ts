import { defineProblem } from "../domain/problem.ts";

export const planUnreadable = defineProblem<{ file: string; reason: string }>({
  code: "PLAN_UNREADABLE",
  what: ({ file, reason }) => `${file} is no plan: ${reason}.`,
  safe: () => "nothing was written on either side.",
  next: ({ file }) => [`make one: crosswind plan -o ${file}`],
  retry: "after-fix",
});
