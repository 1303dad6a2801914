import type { Release } from "../../domain/release.ts";
import { rulesOf, type TimetableRules } from "./rules.ts";
import { cronSteps, deltaSteps, type StepsOrReason } from "./steps.ts";
import type { Micros, Timetable } from "./timetable.ts";

/**
 * How the ticks of a timetable follow each other, or why that is not known. A tick is the moment a run is created at: the end of its interval in
 * data interval timetables, its logical date in trigger timetables, and so the same on both sides of an interval switch.
 */
export type TickChain =
  | { readonly ok: true; readonly next: (tick: Micros) => Micros }
  | { readonly ok: false; readonly reason: string };

/**
 * The chain of a timetable's ticks as a release computes it: `next` gives the tick after one that was, infinite where there is none. Timetables
 * that do not go by the clock have none.
 */
export function tickChain(timetable: Timetable, release: Release): TickChain {
  const rules = rulesOf(release);
  switch (timetable.kind) {
    case "cron-interval":
      return aligned(cronSteps(timetable.expression, timetable.zone, rules), rules);
    case "cron-trigger":
      return fromSteps([cronSteps(timetable.expression, timetable.zone, rules)]);
    case "cron-triggers":
      return fromSteps(timetable.expressions.map((expression) => cronSteps(expression, timetable.zone, rules)));
    case "delta-interval":
    case "delta-trigger":
      return fromSteps([deltaSteps(timetable.delta)]);
    case "assets-or-time":
      return tickChain(timetable.time, release);
    case "events":
      return { ok: true, next: (tick) => timetable.dates.find((date) => date > tick) ?? Number.POSITIVE_INFINITY };
    case "once":
      return { ok: true, next: () => Number.POSITIVE_INFINITY };
    case "continuous":
    case "manual":
    case "assets":
    case "custom":
      break;
  }
  return { ok: false, reason: `a ${timetable.kind} timetable has no ticks that can be computed` };
}

/** Around a clock change the end of an interval may be no tick to the release itself, which then goes on from the tick before. */
function aligned(all: StepsOrReason, { alignsNewest }: TimetableRules): TickChain {
  if (!all.ok) return all;
  const { next, alignToPrevious } = all.steps;
  if (!alignsNewest) return { ok: true, next };
  return {
    ok: true,
    next: (tick) => {
      const after = next(alignToPrevious(tick));
      // Seen on 2.10.5: an hourly cron where clocks change by half an hour goes back and forth, and its scheduler gets no further.
      return after > tick ? after : Number.POSITIVE_INFINITY;
    },
  };
}

/** Of several schedules the earliest tick counts. */
function fromSteps(all: readonly StepsOrReason[]): TickChain {
  const failed = all.find((each) => !each.ok);
  if (failed !== undefined) return failed;
  const steps = all.flatMap((each) => (each.ok ? [each.steps] : []));
  return { ok: true, next: (tick) => Math.min(...steps.map((each) => each.next(tick))) };
}

/** The ticks after `from` up to and including `until`, in order; one after the other as they are asked for. */
export function* ticksBetween(chain: Extract<TickChain, { ok: true }>, from: Micros, until: Micros): Generator<Micros> {
  for (let tick = chain.next(from); tick <= until; tick = chain.next(tick)) yield tick;
}

/** Time between the next two ticks, in microseconds; null where there are none, or no second one. */
export function tickPeriod(timetable: Timetable, release: Release, now: Micros): Micros | null {
  const chain = tickChain(timetable, release);
  if (!chain.ok) return null;
  const first = chain.next(now);
  const period = chain.next(first) - first;
  return Number.isFinite(period) ? period : null;
}
