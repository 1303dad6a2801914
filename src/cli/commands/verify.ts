import { dirname } from "node:path";
import { z } from "zod";
import { verifyEnvironment } from "../../app/verify.ts";
import { isEqual } from "../../engine/verify/report.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { showProgress } from "../progress.ts";
import { verifyView } from "../views/verify.ts";

const options = z.object({
  dag: z
    .array(z.string())
    .optional()
    .describe("compare only what belongs to these DAGs; `*` and `?`, a leading `!` excludes")
    .meta({ value: "GLOB" }),
  sample: z
    .string()
    .regex(/^(100|[1-9]\d?)%?$/, { error: "must be a number of percent, as 10%" })
    .transform((text) => Number.parseInt(text, 10))
    .optional()
    .describe("compare only this share of the rows of history: whole groups of keys, others every time")
    .meta({ value: "N%" }),
  resume: z
    .boolean()
    .default(false)
    .describe("go on with a comparison of everything that was stopped or killed: what it had read is not read again"),
  repair: z
    .boolean()
    .default(false)
    .describe("write rows again that the target lacks or has with other values, and compare again"),
  deletions: z
    .enum(["keep", "carry"])
    .default("keep")
    .describe("with --repair: what becomes of copied rows that the source no longer has: kept and told, or deleted"),
  explain: z.boolean().default(false).describe("say of every column that is not compared why"),
});

/** `crosswind verify`: compares both sides row by row. Exit code 3 when they differ. */
export const verifyCommand = defineCommand({
  name: "verify",
  summary: "compare every copied row with the source's; changes nothing, unless with --repair",
  options,
  examples: [
    "crosswind verify",
    "crosswind verify --dag 'etl_*' --json",
    "crosswind verify --sample 10%",
    "crosswind verify --resume",
    "crosswind verify --repair",
    "crosswind verify --explain",
  ],
  async run({ world, configFile, json, signal }, { dag, sample, resume, repair, deletions, explain }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const progress = showProgress(world, { json });
    try {
      const report = await verifyEnvironment(config, {
        ...(dag === undefined ? {} : { dags: dag }),
        ...(sample === undefined ? {} : { samplePercent: sample }),
        ...(repair ? { repair: { deletions } } : {}),
        isResumed: resume,
        now: world.now,
        homeDir: dirname(configFile),
        signal,
        onEvent: progress.take,
      });
      return { value: { report, explain }, exitCode: isEqual(report) ? EXIT.done : EXIT.blocked };
    } finally {
      progress.stop();
    }
  },
  view: verifyView,
});
