import { type CronFields, parseCron } from "./cron-expression.ts";
import { cronTicks } from "./cron-ticks.ts";
import { addDelta, nominalLength } from "./micros.ts";
import type { TimetableRules } from "./rules.ts";
import type { Delta, Micros, Zone } from "./timetable.ts";
import { type WallClock, wallClock } from "./wall-clock.ts";

/** How a schedule steps through time. Where a cron expression never fires again, the answer is infinite. */
export interface Steps {
  /** The first tick after a moment. */
  readonly next: (at: Micros) => Micros;
  /** The last tick before it. */
  readonly previous: (at: Micros) => Micros;
  /** The moment itself where it is a tick, else the next one. A delta has no ticks of its own: any moment is one. */
  readonly alignToNext: (at: Micros) => Micros;
  /** The moment itself where it is a tick, else the one before. */
  readonly alignToPrevious: (at: Micros) => Micros;
}

/** Steps, or why there are none. */
export type StepsOrReason =
  | { readonly ok: true; readonly steps: Steps }
  | { readonly ok: false; readonly reason: string };

/** Steps of a delta: elapsed time, or calendar units in UTC. */
export function deltaSteps(delta: Delta): StepsOrReason {
  if (nominalLength(delta) <= 0) return { ok: false, reason: "the step of the schedule is not positive" };
  const same = (at: Micros): Micros => at;
  return {
    ok: true,
    steps: {
      next: (at) => addDelta(at, delta, 1),
      previous: (at) => addDelta(at, delta, -1),
      alignToNext: same,
      alignToPrevious: same,
    },
  };
}

/**
 * Looking back over a month that lacks such a day, `get_prev` of croniter 1.3 and 6.0 gives days that the expression does not name, and Airflow looks
 * back to align. Which croniter an environment has, nothing in its database says.
 */
const LAST_OF_FEBRUARY = 28;

/** Steps of a cron expression in a zone, as a release takes them. */
export function cronSteps(expression: string, zone: Zone, rules: TimetableRules): StepsOrReason {
  const parsed = parseCron(expression);
  if (!parsed.ok) return parsed;
  if (parsed.fields.days?.some((day) => day !== "L" && day > LAST_OF_FEBRUARY) === true) {
    return {
      ok: false,
      reason: `"${expression}" names days after the 28th, which croniter before 7 steps back to wrongly`,
    };
  }
  const clock = wallClock(zone);
  if (clock === undefined) return { ok: false, reason: `the time zone "${zone}" is not known here` };
  const elapsed = countsElapsed(parsed.fields, rules);
  if (elapsed === undefined && !clock.isFixed) {
    return { ok: false, reason: `how "${expression}" crosses a clock change depends on when the process was started` };
  }
  const steps = zonedSteps(parsed.fields, clock, elapsed === true);
  return { ok: true, steps };
}

/**
 * Whether a step is the time between two ticks on the wall, counted as elapsed time (so that every hour stays every hour while clocks are set back),
 * or leads to the moment when the wall shows the next tick. Undefined: the release's own answer is not the same each time.
 */
function countsElapsed(fields: CronFields, rules: TimetableRules): boolean | undefined {
  if (rules.elapsedOverClockChange === "every-hour") return fields.hours === null;
  const isOneTime = fields.hours?.length === 1 && fields.minutes?.length === 1;
  // Airflow looks at the next two ticks from now, by hour and minute: with several seconds they may or may not be of one minute.
  if (!isOneTime && fields.seconds?.length !== 1) return undefined;
  return !isOneTime;
}

function zonedSteps(fields: CronFields, clock: WallClock, elapsed: boolean): Steps {
  const ticks = cronTicks(fields);
  const step = (find: (wall: number) => number) => (at: Micros) => {
    if (!Number.isFinite(at)) return at;
    const shown = clock.show(at);
    const wall = find(shown);
    if (!Number.isFinite(wall)) return wall;
    return elapsed ? at + (wall - shown) : clock.find(wall);
  };
  const next = step(ticks.next);
  const previous = step(ticks.previous);
  return {
    next,
    previous,
    alignToNext: (at) => {
      const after = next(at);
      return previous(after) === at ? at : after;
    },
    alignToPrevious: (at) => {
      const before = previous(at);
      return next(before) === at ? at : before;
    },
  };
}
