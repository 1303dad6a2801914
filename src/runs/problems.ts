import { defineProblem } from "../domain/problem.ts";

const CHUNKS_SAFE =
  "finished chunks are in the target and in the ledger, unfinished ones were rolled back; the source was not touched.";
const NOTHING_DONE = "nothing was written on either side by this command.";

export const stateLost = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_LOST",
  what: ({ where, reason }) => `the connection to the state database at ${where} was lost: ${reason}.`,
  safe: () => CHUNKS_SAFE,
  next: () => ["when it answers again, run the same command: it goes on where it stopped"],
  retry: "automatic",
});

export const runOfOtherVersion = defineProblem<{ begunBy: string; now: string }>({
  code: "RUN_OF_OTHER_VERSION",
  what: ({ begunBy, now }) => `the run was begun by crosswind ${begunBy}, and this is crosswind ${now}.`,
  safe: () => "finished chunks are in the target and in the ledger; nothing was done by this command.",
  next: ({ begunBy }) => [
    "crosswind plan    makes a plan for this version, which leaves alone what is there already",
    `or let crosswind ${begunBy} finish the run with the same command`,
  ],
  retry: "after-fix",
});

export const stateUnreachable = defineProblem<{ where: string; reason: string }>({
  code: "STATE_DATABASE_UNREACHABLE",
  what: ({ where, reason }) => `the state database at ${where} can not be used: ${reason}.`,
  safe: () => NOTHING_DONE,
  next: () => [
    "check --state or `state:` in crosswind.yaml; without it an embedded Postgres is started in .crosswind/",
  ],
  retry: "after-fix",
});

export const stateOfNewerVersion = defineProblem<{ where: string; version: number; known: number }>({
  code: "STATE_OF_NEWER_VERSION",
  what: ({ where, version, known }) =>
    `the state database at ${where} is in the form ${version} of a newer crosswind; this one knows ${known}.`,
  safe: () => NOTHING_DONE,
  next: () => [
    "use the newer crosswind here, too",
    "or another state database: --state, or `state:` in crosswind.yaml",
  ],
  retry: "after-fix",
});

export const runTakenOver = defineProblem<{ run: string }>({
  code: "RUN_TAKEN_OVER",
  what: ({ run }) =>
    `this process gave no sign of life for too long (it was stopped, or its machine slept), and others have taken over its part of run ${run}.`,
  safe: () => "what it had not committed was rolled back, and is done by the others; nothing is done twice.",
  next: () => ["crosswind status --follow    shows how far they are"],
  retry: "never",
});

export const runUnknown = defineProblem<{ run: string; where: string }>({
  code: "RUN_UNKNOWN",
  what: ({ run, where }) => `the state database at ${where} knows no single run that begins with ${run}.`,
  safe: () => NOTHING_DONE,
  next: () => ["crosswind runs list"],
  retry: "after-fix",
});

export const runCancelled = defineProblem<{ run: string; who: string }>({
  code: "RUN_CANCELLED",
  what: ({ run, who }) => `run ${run} was cancelled by ${who}.`,
  safe: () => "what it had copied stays on the target unless it was asked to be removed; indexes are back.",
  next: () => [
    "crosswind plan    makes a new plan, which leaves alone what is there already",
    "crosswind runs show RUN",
  ],
  retry: "never",
});

export const runPaused = defineProblem<{ run: string; who: string }>({
  code: "RUN_PAUSED",
  what: ({ run, who }) => `run ${run} was paused by ${who}.`,
  safe: () => NOTHING_DONE,
  next: ({ run }) => [`crosswind runs resume ${run}`],
  retry: "after-fix",
});

export const runOver = defineProblem<{ run: string; state: string }>({
  code: "RUN_OVER",
  what: ({ run, state }) => `run ${run} is ${state}: there is nothing to pause, resume or cancel.`,
  safe: () => NOTHING_DONE,
  next: ({ run }) => [`crosswind runs show ${run}`],
  retry: "never",
});

export const runGoesOn = defineProblem<{ run: string; where: string }>({
  code: "RUN_GOES_ON",
  what: ({ run, where }) => `this command no longer watches run ${run}; it goes on at ${where}.`,
  safe: () => "the run was not disturbed.",
  next: ({ run }) => ["crosswind status --follow", `crosswind runs pause ${run}`],
  retry: "never",
});
