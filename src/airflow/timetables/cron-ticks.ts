import { Cron } from "croner";
import type { CronFields } from "./cron-expression.ts";
import type { WallTime } from "./wall-clock.ts";

/** The ticks of a cron expression on a wall clock. Infinite where there is none within the years that Airflow looks through. */
export interface CronTicks {
  /** The first tick after a time. */
  readonly next: (wall: WallTime) => WallTime;
  /** The last tick before it. */
  readonly previous: (wall: WallTime) => WallTime;
}

/** Lists and not steps or names: in lists all dialects agree. */
function listed(values: readonly (number | string)[] | null): string {
  return values === null ? "*" : values.join(",");
}

/** Ticks of fields that are read; seconds are the first field to the library. */
export function cronTicks(fields: CronFields): CronTicks {
  const weekdays = fields.nthWeekdays.length > 0 ? fields.nthWeekdays : fields.weekdays;
  const pattern = [fields.seconds, fields.minutes, fields.hours, fields.days, fields.months, weekdays].map(listed);
  const cron = new Cron(pattern.join(" "), { timezone: "UTC", paused: true });
  return {
    next: (wall) => {
      const found = cron.nextRun(new Date(Math.floor(wall / 1000)));
      return found === null ? Number.POSITIVE_INFINITY : found.getTime() * 1000;
    },
    previous: (wall) => {
      const [found] = cron.previousRuns(1, new Date(Math.ceil(wall / 1000)));
      return found === undefined ? Number.NEGATIVE_INFINITY : found.getTime() * 1000;
    },
  };
}
