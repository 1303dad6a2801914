import { defineProblem } from "../../domain/problem.ts";

const CHUNK =
  "the chunk was rolled back; every chunk before it is in the target and in the ledger, the source was not touched.";

export const copyTypesDiffer = defineProblem<{ entity: string; differences: string }>({
  code: "COPY_TYPES_DIFFER",
  what: ({ entity, differences }) =>
    `the translated rows of ${entity} do not have the types of the target's columns: ${differences}.`,
  safe: () => "nothing was written: the types are compared before the first byte.",
  next: () => [
    "one of the two schemas is not as its release makes it: `crosswind doctor` shows the differences",
    "report it with the output of `crosswind doctor --json`",
  ],
  retry: "never",
});

export const valueTooLong = defineProblem<{ entity: string; detail: string }>({
  code: "COPY_VALUE_TOO_LONG",
  what: ({ entity, detail }) => `a value of ${entity} is too long for the target: ${detail}.`,
  safe: () => CHUNK,
  next: () => [
    "crosswind plan names the rows",
    "shorten the value on the source or leave its DAG out: select.dags in crosswind.yaml",
  ],
  retry: "after-fix",
});

export const copyRejected = defineProblem<{ entity: string; chunk: string; detail: string }>({
  code: "COPY_ROWS_REJECTED",
  what: ({ entity, chunk, detail }) => `the target refused rows of ${entity} (chunk ${chunk}): ${detail}.`,
  safe: () => CHUNK,
  next: () => [
    "crosswind plan shows what is in the way now",
    "mend it, then run `crosswind apply` with the same plan: it goes on where it stopped",
  ],
  retry: "after-fix",
});

export const secretsUnreadable = defineProblem<{ entity: string; names: string }>({
  code: "SECRET_UNREADABLE",
  what: ({ entity, names }) => `none of the source's Fernet keys decrypts ${entity}: ${names}.`,
  safe: () => CHUNK,
  next: () => [
    "add the key they were encrypted with to source.fernetKey (newest first, separated by commas)",
    "or leave them out: crosswind plan --without ENTITY:NAME",
  ],
  retry: "after-fix",
});

export const indexesChanged = defineProblem<{ names: string }>({
  code: "TARGET_INDEXES_CHANGED",
  what: ({ names }) => `indexes or constraints of the target are not as they were before the copy: ${names}.`,
  safe: () => "all rows are in the target; the definitions as they were are in the table crosswind.taken_off there.",
  next: () => ["compare them with crosswind.taken_off and mend them by hand", "crosswind doctor"],
  retry: "after-fix",
});

export const interrupted = defineProblem<{ plan: string }>({
  code: "RUN_INTERRUPTED",
  what: () => "the run was stopped before its end.",
  safe: () =>
    "finished chunks are in the target and in the ledger, unfinished ones were rolled back; the source was not touched.",
  next: ({ plan }) => [`crosswind apply ${plan}    goes on where it stopped`],
  retry: "after-fix",
});
