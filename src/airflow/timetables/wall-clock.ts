import { modulo, SECOND } from "./micros.ts";
import type { Micros, Zone } from "./timetable.ts";

/** A moment as a clock on the wall shows it: microseconds as if the wall were in UTC. */
export type WallTime = number;

/** Both ways between moments and a zone's wall clock. */
export interface WallClock {
  /** What the clock shows. */
  readonly show: (at: Micros) => WallTime;
  /**
   * The moment at which the clock shows a time: the second one where it is shown twice, and the one before the jump, counted on, where it is
   * skipped. That is `make_aware` of every Airflow, which sets Python's `fold` to 1.
   */
  readonly find: (wall: WallTime) => Micros;
  /** True when the zone's offset never changes. */
  readonly isFixed: boolean;
}

function fixedClock(offset: number): WallClock {
  return { show: (at) => at + offset, find: (wall) => wall - offset, isFixed: true };
}

const DAY = 86_400 * SECOND;

/**
 * The clock of a zone, by the time zone data of the running Node; undefined for a name that it does not know. Airflow's Python has its own data:
 * an old environment may not have heard of a newer rule.
 */
export function wallClock(zone: Zone): WallClock | undefined {
  if (typeof zone === "number") return fixedClock(zone * SECOND);
  if (zone === "UTC") return fixedClock(0);
  const offsetAt = offsetsOf(zone);
  if (offsetAt === undefined) return undefined;
  return {
    show: (at) => at + offsetAt(at),
    find: (wall) => {
      const [before, after] = [offsetAt(wall - DAY), offsetAt(wall + DAY)];
      if (before === after) return wall - before;
      // Skipped times are counted with the offset before the jump, repeated ones with that after it: whichever holds, holds; both: after.
      return offsetAt(wall - after) === after ? wall - after : wall - before;
    },
    isFixed: false,
  };
}

/** Names of the database only: Intl would also take offsets. */
const NAME = /^[A-Za-z][\w+/-]*$/;

function offsetsOf(zone: string): ((at: Micros) => number) | undefined {
  if (!NAME.test(zone) || !isKnown(zone)) return undefined;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const known = new Map<number, number>();
  // Zones change their offset at most at quarters of an hour of UTC.
  return (at) => {
    const quarter = Math.floor(at / (900 * SECOND));
    const kept = known.get(quarter);
    if (kept !== undefined) return kept;
    const offset = readOffset(format, quarter * 900 * 1000) * 1000;
    if (known.size < 10_000) known.set(quarter, offset);
    return offset;
  };
}

function isKnown(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function readOffset(format: Intl.DateTimeFormat, milliseconds: number): number {
  const { year, month, day, hour, minute, second } = Object.fromEntries(
    format.formatToParts(milliseconds).map(({ type, value }) => [type, Number(value)]),
  );
  const shown = Date.UTC(year ?? 1970, (month ?? 1) - 1, day, hour, minute, second);
  return shown - (milliseconds - modulo(milliseconds, 1000));
}
