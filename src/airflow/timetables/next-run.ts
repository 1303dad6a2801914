import type { Release } from "../../domain/release.ts";
import { addDelta, modulo, nominalLength, SECOND } from "./micros.ts";
import { rulesOf, type TimetableRules } from "./rules.ts";
import { cronSteps, deltaSteps, type Steps, type StepsOrReason } from "./steps.ts";
import type {
  DataInterval,
  Delta,
  DueRun,
  Micros,
  Restriction,
  RunImmediately,
  Timetable,
  TimetableKind,
} from "./timetable.ts";

/** What a scheduler of some release will do next: create a run, nothing, or what cannot be computed without it. */
export type ComputedRun =
  | { readonly state: "due"; readonly run: DueRun }
  | { readonly state: "nothing-due" }
  | { readonly state: "not-computable"; readonly reason: string };

/** What the next run depends on besides the timetable. */
export interface RunQuestion {
  readonly release: Release;
  /** The interval of the last run of type `scheduled` or `backfill`; null where there is none. */
  readonly lastAutomated: DataInterval | null;
  readonly restriction: Restriction;
  readonly now: Micros;
}

/** One question, with the release's rules looked up. */
interface Question extends RunQuestion {
  readonly rules: TimetableRules;
}

const FIVE_MINUTES = 300 * SECOND;
const NOTHING: ComputedRun = { state: "nothing-due" };

type Kind<K extends TimetableKind> = Extract<Timetable, { readonly kind: K }>;

/** How each kind of timetable answers. */
const ANSWERS: { readonly [K in TimetableKind]: (timetable: Kind<K>, question: Question) => ComputedRun } = {
  "cron-interval": (timetable, question) =>
    withSteps(cronSteps(timetable.expression, timetable.zone, question.rules), (steps) =>
      nextInterval(steps, question, () => skipCron(steps, question)),
    ),
  "delta-interval": (timetable, question) =>
    withSteps(deltaSteps(timetable.delta), (steps) =>
      nextInterval(steps, question, () => skipDelta(steps, timetable.delta, question)),
    ),
  "cron-trigger": nextOfCron,
  "cron-triggers": nextOfCrons,
  "delta-trigger": (timetable, question) =>
    withSteps(deltaSteps(timetable.delta), (steps) =>
      nextTrigger(steps, question, { interval: timetable.interval, first: () => question.now }),
    ),
  once: (_, { lastAutomated, restriction, now, rules }) => {
    const runAfter = restriction.earliest ?? (rules.startsWithoutStartDate.once ? now : null);
    if (lastAutomated !== null || runAfter === null) return NOTHING;
    return isAfterLatest(runAfter, restriction) ? NOTHING : due({ start: runAfter, end: runAfter });
  },
  continuous: nextContinuous,
  manual: () => NOTHING,
  assets: () => NOTHING,
  "assets-or-time": ({ time }, question) => answer(time, question),
  events: nextEvent,
  custom: ({ className }) => ({
    state: "not-computable",
    reason: `the timetable ${className === "" ? "without a name" : className} is computed by its own code alone`,
  }),
};

/**
 * The run that a scheduler of the release creates next, as `Timetable.next_dagrun_info` there: with imported history, `lastAutomated` is what it
 * finds. Never guesses: see `not-computable`.
 */
export function nextRun(timetable: Timetable, input: RunQuestion): ComputedRun {
  const rules = rulesOf(input.release);
  if (!rules.hasIntervals) return { state: "not-computable", reason: "releases before 2.2 know no data intervals" };
  return answer(timetable, { ...input, rules });
}

function answer<K extends TimetableKind>(timetable: Kind<K>, question: Question): ComputedRun {
  const ask: (timetable: Kind<K>, question: Question) => ComputedRun = ANSWERS[timetable.kind];
  return ask(timetable, question);
}

function withSteps(steps: StepsOrReason, then: (steps: Steps) => ComputedRun): ComputedRun {
  return steps.ok ? then(steps.steps) : { state: "not-computable", reason: steps.reason };
}

function due(interval: DataInterval): ComputedRun {
  if (!Number.isFinite(interval.start) || !Number.isFinite(interval.end)) {
    return { state: "not-computable", reason: "the schedule has no further tick" };
  }
  return { state: "due", run: { logicalDate: interval.start, interval, runAfter: interval.end } };
}

function isAfterLatest(at: Micros, { latest }: Restriction): boolean {
  return latest !== null && at > latest;
}

function nextInterval(steps: Steps, question: Question, skipped: () => Micros): ComputedRun {
  const { lastAutomated, restriction, rules } = question;
  const aligned = restriction.earliest === null ? null : steps.alignToNext(restriction.earliest);
  const earliest = restriction.catchup ? aligned : skipped();
  if (lastAutomated === null) return earliest === null ? NOTHING : intervalFrom(steps, earliest, restriction);
  const newest = rules.alignsNewest ? steps.alignToPrevious(lastAutomated.end) : lastAutomated.end;
  const found = Math.max(newest, earliest ?? Number.NEGATIVE_INFINITY);
  return intervalFrom(
    steps,
    REPEATS[rules.stepsPastNewest](found, lastAutomated) ? steps.next(found) : found,
    restriction,
  );
}

function intervalFrom(steps: Steps, start: Micros, restriction: Restriction): ComputedRun {
  return isAfterLatest(start, restriction) ? NOTHING : due({ start, end: steps.next(start) });
}

/** Whether a start would give the newest run again, as far as the release looks. */
const REPEATS: Readonly<Record<TimetableRules["stepsPastNewest"], (start: Micros, newest: DataInterval) => boolean>> = {
  never: () => false,
  "zero-length": (start, newest) => newest.start === newest.end && start === newest.start,
  always: (start, newest) => start <= newest.start,
};

/** Without catchup: the newest interval that is over, but none before the start date. */
function skipCron(steps: Steps, { now, restriction }: Question): Micros {
  const last = steps.previous(now);
  const newest = steps.next(last) === now ? last : steps.previous(last);
  return restriction.earliest === null ? newest : Math.max(newest, steps.alignToNext(restriction.earliest));
}

function skipDelta(steps: Steps, delta: Delta, { now, restriction, rules }: Question): Micros {
  const { earliest } = restriction;
  const origins: Readonly<Record<TimetableRules["deltasSkipFrom"], () => Micros>> = {
    now: () => now,
    multiple: () => now - modulo(now, nominalLength(delta)),
    "multiple-or-start": () =>
      delta.months === 0 ? now - modulo(now, nominalLength(delta)) : lastStepUntil(steps, earliest ?? now, now),
  };
  return Math.max(steps.previous(origins[rules.deltasSkipFrom]()), earliest ?? Number.NEGATIVE_INFINITY);
}

/** One step after the other, as months of different lengths make it matter. A start after `until` is itself the answer. */
function lastStepUntil(steps: Steps, start: Micros, until: Micros): Micros {
  let last = start;
  for (let next = steps.next(last); next <= until && next > last; next = steps.next(last)) last = next;
  return last;
}

interface TriggerParts {
  readonly interval: Delta;
  /** The first run of a DAG without start date. */
  readonly first: () => Micros;
}

function nextTrigger(steps: Steps, question: Question, parts: TriggerParts): ComputedRun {
  const { lastAutomated, restriction, now } = question;
  const following = lastAutomated === null ? null : steps.next(lastAutomated.end);
  const aligned = restriction.earliest === null ? null : steps.alignToNext(restriction.earliest);
  const isFirst = lastAutomated === null && restriction.earliest === null;
  const first = isFirst && question.rules.startsWithoutStartDate.trigger ? parts.first() : null;
  const candidates = restriction.catchup
    ? [following ?? aligned ?? first]
    : [steps.alignToPrevious(now), following, first, aligned];
  const ticks = candidates.filter((each) => each !== null);
  if (ticks.length === 0) return NOTHING;
  const end = Math.max(...ticks);
  if (isAfterLatest(end, restriction)) return NOTHING;
  const start = addDelta(end, parts.interval, -1);
  return due({ start, end });
}

function nextOfCron(timetable: Kind<"cron-trigger">, question: Question): ComputedRun {
  return withSteps(cronSteps(timetable.expression, timetable.zone, question.rules), (steps) =>
    nextTrigger(steps, question, {
      interval: timetable.interval,
      first: () => firstCronRun(steps, timetable.runImmediately, question.now),
    }),
  );
}

/** `_calc_first_run`, which takes False for None: the newest tick, if it is no longer ago than 10 % of the gap, at least five minutes. */
function firstCronRun(steps: Steps, runImmediately: RunImmediately, now: Micros): Micros {
  const [past, following] = [steps.alignToPrevious(now), steps.alignToNext(now)];
  if (runImmediately === true) return past;
  const allowed = runImmediately === false ? Math.max((following - past) / 10, FIVE_MINUTES) : runImmediately.within;
  return now - past <= allowed ? past : following;
}

/** The earliest with catchup; without, the newest that is not in the future, else the earliest. */
function nextOfCrons(timetable: Kind<"cron-triggers">, question: Question): ComputedRun {
  const answers = timetable.expressions.map((expression) =>
    nextOfCron({ ...timetable, kind: "cron-trigger", expression }, question),
  );
  const unknown = answers.find((each) => each.state === "not-computable");
  if (unknown !== undefined) return unknown;
  const rank = ({ logicalDate }: DueRun): number =>
    question.restriction.catchup || logicalDate > question.now ? logicalDate : -logicalDate;
  const runs = answers.flatMap((each) => (each.state === "due" ? [each] : []));
  return runs.sort((a, b) => rank(a.run) - rank(b.run))[0] ?? NOTHING;
}

/** Without an own rhythm: a run begins where the last one ended, and ends now. */
function nextContinuous(_: Kind<"continuous">, question: Question): ComputedRun {
  const { restriction, now, rules } = question;
  const from = restriction.earliest ?? (rules.startsWithoutStartDate.continuous ? now : null);
  if (from === null) return NOTHING;
  const interval = continuousInterval(question, from);
  return isAfterLatest(interval.end, restriction) ? NOTHING : due(interval);
}

function continuousInterval({ lastAutomated: last, now, rules }: Question, from: Micros): DataInterval {
  if (last === null) return { start: from, end: Math.max(from, now) };
  const restarts = rules.continuousRestarts && last.end > now;
  return restarts ? { start: from, end: from + (last.end - last.start) } : { start: last.end, end: now };
}

function nextEvent({ dates }: Kind<"events">, { lastAutomated, restriction, now }: Question): ComputedRun {
  const earliest = Math.max(
    restriction.earliest ?? Number.NEGATIVE_INFINITY,
    restriction.catchup ? Number.NEGATIVE_INFINITY : now,
  );
  const after = lastAutomated?.end ?? Number.NEGATIVE_INFINITY;
  const event = dates.find((date) => date >= earliest && date > after);
  return event === undefined || isAfterLatest(event, restriction) ? NOTHING : due({ start: event, end: event });
}
