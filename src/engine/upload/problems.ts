import { defineProblem } from "../../domain/problem.ts";

export const jsonTooDeep = defineProblem<{ place: string; count: number; levels: number; rows: string }>({
  code: "TARGET_JSON_TOO_DEEP",
  what: ({ place, count, levels, rows }) =>
    `${count} values of ${place} have more than ${levels} arrays or objects within each other, which the target's JSON can not keep: ${rows}.`,
  safe: () => "nothing was written to the target: the rows were put together in staging alone.",
  next: () => [
    "change these values on the source, or leave their DAG out (select.dags in crosswind.yaml), then plan again",
  ],
  retry: "after-fix",
});

export const jsonRounded = defineProblem<{ place: string; count: number; rows: string }>({
  code: "TARGET_JSON_ROUNDED",
  what: ({ place, count, rows }) =>
    `${count} values of ${place} have numbers with more digits than the target's JSON keeps (64 bits): ${rows}.`,
  safe: () => "nothing was written to the target: the rows were put together in staging alone.",
  next: () => [
    "change these values on the source (a text keeps every digit), or leave their DAG out (select.dags in crosswind.yaml), then plan again",
  ],
  retry: "after-fix",
});

export const numbersTaken = defineProblem<{ table: string; count: number }>({
  code: "UPLOAD_NUMBERS_TAKEN",
  what: ({ table, count }) =>
    `the target's own Airflow wrote ${count} ${count === 1 ? "row" : "rows"} to ${table} since the target was read, with numbers that the copy has given to its own.`,
  safe: () => "nothing was written to the target; its own rows get other numbers from now on.",
  next: () => [
    "stop the target's scheduler, DAG processor, triggerer and API server for the time of the copy",
    "crosswind plan    and apply that plan: the copy then numbers its rows behind those of the target",
  ],
  retry: "after-fix",
});

export const targetChanged = defineProblem<{ columns: string }>({
  code: "TARGET_CHANGED_SINCE",
  what: ({ columns }) => `the target has not the columns any more that it had when it was read: ${columns}.`,
  safe: () => "every row that was written is whole and in the ledger; nothing was written by this command.",
  next: () => ["crosswind plan    and apply that plan: rows that are there already are recognised"],
  retry: "after-fix",
});

export const mirrorLost = defineProblem<{ file: string }>({
  code: "TARGET_MIRROR_LOST",
  what: ({ file }) =>
    `an apply of ${file} has begun to write to the target, and the staging database in which its rows were put together is gone.`,
  safe: () => "every row that was written is whole and in the ledger; nothing was written by this command.",
  next: () => [
    "crosswind plan    and apply that plan: rows that are there already are recognised",
    "name the staging server that the first apply had (setting staging), if it is still there",
  ],
  retry: "after-fix",
});
