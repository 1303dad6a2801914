import { dirname, resolve } from "node:path";
import { z } from "zod";
import { plan } from "../../app/plan.ts";
import { defineCommand, exitCodeOf } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { selectionOptions } from "../config/options.ts";
import { writePlan } from "../plan-file.ts";
import { showProgress } from "../progress.ts";
import { VERSION } from "../version.ts";
import { planView } from "../views/plan.ts";

const options = z.object({
  output: z
    .string()
    .default("crosswind.plan.json")
    .describe("file to save the plan in")
    .meta({ short: "o", value: "PLAN" }),
  ...selectionOptions,
  acceptLoss: z.boolean().default(false).describe("plan for a target that is older than the source"),
  force: z.boolean().default(false).describe("plan for a SQLite target, too: an Airflow 3 that is not for production"),
  show: z.enum(["findings"]).optional().describe("`findings`: print notes, too"),
});

/** `crosswind plan`: reads both sides, saves what an apply would do. */
export const planCommand = defineCommand({
  name: "plan",
  summary: "read both sides and save what an apply would change; changes nothing",
  options,
  examples: [
    "crosswind plan",
    "crosswind plan -o week-1.plan.json --dag 'etl_*' --dag '!etl_tmp_*' --history 90d",
    "crosswind plan --without variable:legacy_token --show findings",
  ],
  async run({ world, configFile, json, signal }, { output, acceptLoss, force, show, ...selection }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { ...selection } });
    const progress = showProgress(world, { json });
    const opened = { homeDir: dirname(configFile), onEvent: progress.take, signal };
    const planned = await plan(config, { acceptLoss, isForced: force, now: world.now(), version: VERSION, ...opened });
    progress.stop();
    await writePlan(resolve(world.cwd, output), planned);
    return {
      value: { plan: planned, file: output, showAll: show === "findings" },
      exitCode: exitCodeOf(planned.findings),
    };
  },
  view: planView,
});
