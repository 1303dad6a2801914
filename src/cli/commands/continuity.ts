import { dirname } from "node:path";
import { z } from "zod";
import { missedAtSwitches } from "../../app/missed.ts";
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
  addMissed: z
    .boolean()
    .default(false)
    .describe("list the runs that were missed while a DAG was switched; with `--yes` they are added where it runs now"),
  yes: z.boolean().default(false).describe("add what `--add-missed` lists"),
});

/** `crosswind continuity`: every tick ran once, across both sides. Exit code 3 where one did not. */
export const continuityCommand = defineCommand({
  name: "continuity",
  summary:
    "check that every scheduled tick ran exactly once across both sides; changes nothing unless told to add what was missed",
  options,
  examples: [
    "crosswind continuity",
    "crosswind continuity --dag 'reporting_*' --since 7d",
    "crosswind continuity --since 2026-11-01T00:00:00Z --json",
    "crosswind continuity --dag 'reporting_*' --add-missed --yes",
  ],
  async run({ world, configFile, signal }, { dag, since, addMissed, yes }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const now = world.now();
    const from = momentOf(since, now);
    const place = {
      ...(dag === undefined ? {} : { dags: dag }),
      since: from,
      now,
      homeDir: dirname(configFile),
      signal,
    };
    const missed = addMissed
      ? await missedAtSwitches(config, { ...place, ...(yes ? { addedBy: world.user } : {}) })
      : undefined;
    const dags = await checkContinuityOf(config, place);
    const isContinuous = dags.every((each) => each.isContinuous);
    return {
      value: { since: from.toISOString(), until: now.toISOString(), isContinuous, dags, ...missed },
      exitCode: isContinuous && !missed?.added.some(({ failed }) => failed !== undefined) ? EXIT.done : EXIT.blocked,
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
