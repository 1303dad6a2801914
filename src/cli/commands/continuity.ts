import { dirname } from "node:path";
import { z } from "zod";
import { checkContinuityOf } from "../../app/waves.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { continuityView } from "../views/continuity.ts";

const DAYS = /^(\d{1,4})d$/;
const DAY_MS = 86_400_000;

const options = z.object({
  dag: z
    .array(z.string())
    .optional()
    .describe("only these DAGs; `*` and `?`, a leading `!` excludes; default: the selected ones")
    .meta({ value: "GLOB" }),
  since: z
    .string()
    .refine((text) => DAYS.test(text) || isMoment(text), {
      error: "must be a number of days, as 90d, or a date, as 2026-11-01 or 2026-11-01T08:00:00Z",
    })
    .default("30d")
    .describe("ticks of the last days (90d), or from a date on (UTC where it says no zone); default: 30d")
    .meta({ value: "WHEN" }),
});

/** `crosswind continuity`: every tick ran once, across both sides. Exit code 3 where one did not. */
export const continuityCommand = defineCommand({
  name: "continuity",
  summary: "check that every scheduled tick ran exactly once across both sides; changes nothing",
  options,
  examples: [
    "crosswind continuity",
    "crosswind continuity --dag 'reporting_*' --since 7d",
    "crosswind continuity --since 2026-11-01T00:00:00Z --json",
  ],
  async run({ world, configFile, signal }, { dag, since }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const now = world.now();
    const from = momentOf(since, now);
    const dags = await checkContinuityOf(config, {
      ...(dag === undefined ? {} : { dags: dag }),
      since: from,
      now,
      homeDir: dirname(configFile),
      signal,
    });
    const isContinuous = dags.every((each) => each.isContinuous);
    return {
      value: { since: from.toISOString(), until: now.toISOString(), isContinuous, dags },
      exitCode: isContinuous ? EXIT.done : EXIT.blocked,
    };
  },
  view: continuityView,
});

function isMoment(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(inUtc(text).getTime());
}

/** A date alone is UTC to JavaScript; one with a time and without a zone is not. */
function inUtc(text: string): Date {
  return new Date(/T[^Z+-]*$/.test(text) ? `${text}Z` : text);
}

function momentOf(text: string, now: Date): Date {
  const days = DAYS.exec(text)?.[1];
  return days === undefined ? inUtc(text) : new Date(now.getTime() - Number(days) * DAY_MS);
}
