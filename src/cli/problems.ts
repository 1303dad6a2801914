import { defineProblem } from "../domain/problem.ts";

export const planUnreadable = defineProblem<{ file: string; reason: string }>({
  code: "PLAN_UNREADABLE",
  what: ({ file, reason }) => `${file} is no plan: ${reason}.`,
  safe: () => "nothing was written on either side.",
  next: ({ file }) => [`make one: crosswind plan -o ${file}`],
  retry: "after-fix",
});

export const wavesFileExists = defineProblem<{ file: string }>({
  code: "WAVES_FILE_EXISTS",
  what: ({ file }) => `${file} is already there, and may have been edited.`,
  safe: () => "the file was not changed.",
  next: ({ file }) => [
    `check it against the source: crosswind waves --check ${file}`,
    "or write it anew: crosswind waves --force",
    "or another one: crosswind waves -o FILE",
  ],
  retry: "after-fix",
});

export const wavesFileUnusable = defineProblem<{ file: string; reason: string }>({
  code: "WAVES_FILE_UNUSABLE",
  what: ({ file, reason }) => `${file} can not be read or written: ${reason}.`,
  safe: () => "nothing was changed on either side.",
  next: () => ["name another one: crosswind waves -o FILE, crosswind waves --check FILE"],
  retry: "after-fix",
});

export const planEdited = defineProblem<{ file: string }>({
  code: "PLAN_EDITED",
  what: ({ file }) => `the plan ${file} is not as it was made: its digest is another one.`,
  safe: () => "nothing was written on either side.",
  next: () => [
    "plan again, with what is to be otherwise as options: crosswind plan --help lists them",
    "or take the file as it was made",
  ],
  retry: "after-fix",
});
