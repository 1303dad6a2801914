import { defineProblem } from "../../domain/problem.ts";

export const wavesFileInvalid = defineProblem<{ mistakes: string }>({
  code: "WAVES_FILE_INVALID",
  what: ({ mistakes }) => `the file of waves can not be read: ${mistakes}.`,
  safe: () => "nothing was changed on either side.",
  next: () => ["mend the file, or write it anew with `crosswind waves`"],
  retry: "after-fix",
});

const NOTHING_SWITCHED = "nothing was paused or unpaused by this command.";

export const cutoverUnderWay = defineProblem<{ where: string }>({
  code: "CUTOVER_UNDER_WAY",
  what: ({ where }) => `another process is switching DAGs to ${where}: one at a time may pause and unpause.`,
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "wait for its end, or stop it with Ctrl-C; what it has begun is finished by running the same command again",
  ],
  retry: "after-fix",
});

export const leaseLost = defineProblem<{ where: string }>({
  code: "CUTOVER_LEASE_LOST",
  what: ({ where }) => `the connection to ${where} that holds the right to switch was lost.`,
  safe: () => "no DAG was unpaused since: each is as the record says, paused on at least one side.",
  next: () => [
    "crosswind cutover, with the same DAGs: it reads both sides and finishes",
    "or restore them: crosswind cancel",
  ],
  retry: "after-fix",
});

export const notDrained = defineProblem<{ dag: string; seconds: number; runs: string }>({
  code: "CUTOVER_NOT_DRAINED",
  what: ({ dag, seconds, runs }) => `${dag} was never without an active run for ${seconds} seconds (${runs}).`,
  safe: () => "it was restored: it runs on the source as before.",
  next: () => [
    "wait longer: crosswind cutover --drain-timeout MINUTES",
    "or end it with its newest run: crosswind cutover --drain-policy; docs/guides/cutover.md#drain says what it needs",
    "or let the target go on with runs that are half done: crosswind cutover --hand-over",
  ],
  retry: "after-fix",
});

export const notProven = defineProblem<{ dag: string; reason: string }>({
  code: "CUTOVER_NOT_PROVEN",
  what: ({ dag, reason }) => `${dag}: ${reason}.`,
  safe: () => "it was not unpaused on the target; it was restored and runs on the source as before.",
  next: () => [
    "crosswind cutover --dry-run shows what the target would run next and why",
    "crosswind verify --dag DAG",
  ],
  retry: "after-fix",
});

export const dagMissing = defineProblem<{ dags: string; side: string }>({
  code: "CUTOVER_DAG_MISSING",
  what: ({ dags, side }) => `the ${side} has no such DAGs: ${dags}.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["deploy the DAG files there and wait until they are parsed", "or leave them out: --dag"],
  retry: "after-fix",
});

export const gateClosed = defineProblem<{ red: string }>({
  code: "CUTOVER_GATE_CLOSED",
  what: ({ red }) => `conditions are not met: ${red}.`,
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "crosswind cutover --dry-run lists each with its remedy",
    "or take the responsibility for one: crosswind cutover --override CONDITION=REASON",
  ],
  retry: "after-fix",
});

export const stoppedBefore = defineProblem<{ dag: string }>({
  code: "CUTOVER_STOPPED_BEFORE",
  what: ({ dag }) => `the cutover was stopped before ${dag} was switched.`,
  safe: () => "it was restored: it runs on the source as before.",
  next: () => ["crosswind cutover, with the same DAGs, when the time is right"],
  retry: "after-fix",
});

export const needsPostgres = defineProblem<Record<string, never>>({
  code: "CUTOVER_NEEDS_POSTGRES",
  what: () => "a cutover needs a Postgres on both sides: the last rows of a DAG are brought in one transaction.",
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "pause the DAGs on the source, then crosswind plan and crosswind apply",
    "unpause them on the target when crosswind verify finds no differences: docs/guides/cutover.md#by-hand",
  ],
  retry: "never",
});

export const nothingNamed = defineProblem<{ patterns: string }>({
  code: "CUTOVER_NOTHING_NAMED",
  what: ({ patterns }) => `the source has no active DAG that these patterns name: ${patterns}.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["crosswind waves lists the DAGs", "quote patterns: --dag 'etl_*'"],
  retry: "after-fix",
});

export const notConfirmed = defineProblem<{ count: number }>({
  code: "CUTOVER_NOT_CONFIRMED",
  what: ({ count }) => `${count} DAGs would be switched; nobody has said yes.`,
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "look first: crosswind cutover --dry-run, with the same DAGs",
    "then do it: crosswind cutover --yes, with the same DAGs",
  ],
  retry: "after-fix",
});

export const notSwitched = defineProblem<{ dag: string }>({
  code: "CUTOVER_NOT_SWITCHED",
  what: ({ dag }) => `${dag} was not switched to the target by Crosswind: there is nothing to take back.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["crosswind status shows which DAGs are live on the target"],
  retry: "never",
});

export const otherDirection = defineProblem<{ dag: string }>({
  code: "CUTOVER_OTHER_DIRECTION",
  what: ({ dag }) => `${dag} is on its way in the other direction.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["finish that first: crosswind cutover, or crosswind reverse", "or restore it: crosswind cancel"],
  retry: "after-fix",
});

export const conditionUnknown = defineProblem<{ condition: string; known: string }>({
  code: "CUTOVER_CONDITION_UNKNOWN",
  what: ({ condition, known }) => `the gate has no condition ${condition}, only ${known}.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["crosswind cutover --dry-run lists those that are not met", "--override CONDITION=REASON"],
  retry: "after-fix",
});

export const reasonMissing = defineProblem<{ condition: string }>({
  code: "CUTOVER_REASON_MISSING",
  what: ({ condition }) => `the condition ${condition} is to be overridden without a reason.`,
  safe: () => NOTHING_SWITCHED,
  next: ({ condition }) => [`say why; it goes into the record: --override '${condition}=REASON'`],
  retry: "after-fix",
});

export const nothingChosen = defineProblem<Record<string, never>>({
  code: "USAGE_NOTHING_CHOSEN",
  what: () => "no DAG was named.",
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "name them: --dag 'reporting_*'; all of them: --dag '*'",
    "or a wave: --wave NAME; crosswind waves proposes some",
  ],
  retry: "after-fix",
});

export const waveUnknown = defineProblem<{ wave: string; file: string; known: string }>({
  code: "CUTOVER_WAVE_UNKNOWN",
  what: ({ wave, file, known }) => `${file} has no wave ${wave}; it has ${known}.`,
  safe: () => NOTHING_SWITCHED,
  next: () => ["crosswind cutover --wave NAME --waves FILE"],
  retry: "after-fix",
});

export const drainPolicyNotWritten = defineProblem<{ file: string; reason: string }>({
  code: "DRAIN_POLICY_NOT_WRITTEN",
  what: ({ file, reason }) => `the drain policy can not be written to ${file}: ${reason}.`,
  safe: () => "no file was changed.",
  next: () => [
    "name another one: crosswind drain-policy --output crosswind_drain.py",
    "where there is an airflow_local_settings.py already, call it from there: the file's first lines say how",
  ],
  retry: "after-fix",
});

export const nothingHeld = defineProblem<{ where: string }>({
  code: "CUTOVER_NOTHING_HELD",
  what: ({ where }) => `no cutover to ${where} waits for the word.`,
  safe: () => NOTHING_SWITCHED,
  next: () => [
    "get one ready: crosswind cutover --hold --yes, with its DAGs; it keeps waiting until it is told or stopped",
  ],
  retry: "after-fix",
});

export const holdEnded = defineProblem<Record<string, never>>({
  code: "CUTOVER_HOLD_ENDED",
  what: () => "the cutover was stopped while it waited for the word.",
  safe: () => "nothing was paused or unpaused; what was brought to the target stays there.",
  next: () => ["crosswind cutover --hold --yes, with the same DAGs, when the time is right"],
  retry: "after-fix",
});

export const rowsDeleted = defineProblem<{ dag: string; count: number }>({
  code: "CUTOVER_ROWS_DELETED",
  what: ({ dag, count }) =>
    `${dag}: ${count} rows that were copied were deleted on the source since, and are still on the target; crosswind sync --deletions carry deletes them there, too, crosswind cutover --keep-deleted leaves them.`,
  safe: () => "it was not unpaused on the target; it was restored and runs on the source as before.",
  next: ({ dag }) => [
    `see them: crosswind verify --dag ${dag}`,
    "delete them on the target, too: crosswind sync --deletions carry",
    "or let them stay there: crosswind cutover --keep-deleted, with the same DAGs",
  ],
  retry: "after-fix",
});
