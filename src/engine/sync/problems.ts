import { defineProblem } from "../../domain/problem.ts";

const NOTHING_WRITTEN = "nothing was written on either side.";

export const nothingToSync = defineProblem<{ target: string }>({
  code: "SYNC_NOTHING_COPIED",
  what: ({ target }) => `nothing was copied to ${target} yet: there is no mark from which changes could be told.`,
  safe: () => NOTHING_WRITTEN,
  next: () => ["crosswind plan", "crosswind apply crosswind.plan.json"],
  retry: "after-fix",
});

export const copyUnfinished = defineProblem<{ run: string; started: string }>({
  code: "SYNC_COPY_UNFINISHED",
  what: ({ run, started }) => `the copy ${run}, begun ${started}, has not ended: what it left out is not known yet.`,
  safe: () => NOTHING_WRITTEN,
  next: () => [
    "go on with it, which also brings what changed meanwhile: crosswind apply crosswind.plan.json",
    "crosswind status",
  ],
  retry: "after-fix",
});

export const otherSource = defineProblem<{ known: string; now: string }>({
  code: "SYNC_OTHER_SOURCE",
  what: ({ known, now }) => `the target's rows were copied from another database (${known}) than this source (${now}).`,
  safe: () => NOTHING_WRITTEN,
  next: () => [
    "check source.database in crosswind.yaml: crosswind config show",
    "a source that was restored elsewhere is another database: crosswind plan, then crosswind apply, which merges its rows",
  ],
  retry: "after-fix",
});

export const otherTimeline = defineProblem<{ before: string; now: string }>({
  code: "SYNC_OTHER_TIMELINE",
  what: ({ before, now }) =>
    `the source failed over since the last copy (timeline ${before} then, ${now} now): rows that were copied may be missing on it.`,
  safe: () => NOTHING_WRITTEN,
  next: () => [
    "see what differs: crosswind verify",
    "crosswind plan, then crosswind apply: it merges every row and takes a new mark",
  ],
  retry: "after-fix",
});

export const markTooOld = defineProblem<{ transactions: number }>({
  code: "SYNC_MARK_TOO_OLD",
  what: ({ transactions }) =>
    `the source has seen ${transactions} transactions since the last copy: Postgres can not tell older rows from newer ones any more.`,
  safe: () => NOTHING_WRITTEN,
  next: () => ["crosswind plan, then crosswind apply: it merges every row and takes a new mark"],
  retry: "after-fix",
});

export const idsUsedUp = defineProblem<{ entity: string; highest: number; kept: number }>({
  code: "SYNC_IDS_USED_UP",
  what: ({ entity, highest, kept }) =>
    `${entity}: the source has reached id ${highest} (counted as the target's), and ids up to ${kept} only were kept free for it.`,
  safe: () => NOTHING_WRITTEN,
  next: () => [
    "copy into a fresh target: crosswind plan, then crosswind apply",
    "report it: the room was thought to be enough",
  ],
  retry: "never",
});

export const targetNotPostgres = defineProblem<{ label: string }>({
  code: "SYNC_TARGET_NOT_POSTGRES",
  what: ({ label }) => `${label} is no Postgres: a delta needs to merge rows in the target itself.`,
  safe: () => NOTHING_WRITTEN,
  next: () => [
    "crosswind plan, then crosswind apply: it compares every row with the target's and writes those that differ",
  ],
  retry: "never",
});

export const syncStopped = defineProblem<{ entity: string }>({
  code: "SYNC_STOPPED",
  what: ({ entity }) => `the delta was stopped before ${entity}.`,
  safe: () =>
    "what was brought is right and stays; the mark has not moved, so the next delta looks at all of it again.",
  next: () => ["crosswind sync"],
  retry: "after-fix",
});
