import { dirname } from "node:path";
import { z } from "zod";
import { verifyEnvironment } from "../../app.ts";
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
  explain: z.boolean().default(false).describe("say of every column that is not compared why"),
});

/** `crosswind verify`: compares both sides row by row. Exit code 3 when they differ. */
export const verifyCommand = defineCommand({
  name: "verify",
  summary: "compare every copied row with the source's; changes nothing",
  options,
  examples: ["crosswind verify", "crosswind verify --dag 'etl_*' --json", "crosswind verify --explain"],
  async run({ world, configFile, json, signal }, { dag, explain }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const progress = showProgress(world, { json });
    try {
      const report = await verifyEnvironment(config, {
        ...(dag === undefined ? {} : { dags: dag }),
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
