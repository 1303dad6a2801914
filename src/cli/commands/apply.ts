import { dirname, resolve } from "node:path";
import { z } from "zod";
import { apply } from "../../app/apply.ts";
import { interrupted } from "../../engine/copy/problems.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { readPlan } from "../plan-file.ts";
import { showProgress } from "../progress.ts";
import { VERSION } from "../version.ts";
import { applyView } from "../views/apply.ts";

/** `crosswind apply`: does what a saved plan says, or goes on where an earlier apply of it stopped. */
export const applyCommand = defineCommand({
  name: "apply",
  summary: "do what a saved plan says; run it again to go on after any interruption",
  arguments: [{ name: "plan", summary: "a plan saved by `crosswind plan`", isOptional: true }],
  options: z.object({}),
  examples: ["crosswind apply crosswind.plan.json", "crosswind apply crosswind.plan.json --json 2>progress.ndjson"],
  async run({ world, configFile, json, signal }, _options, [file = "crosswind.plan.json"]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const plan = await readPlan(resolve(world.cwd, file));
    const progress = showProgress(world, { json, plan });
    const start = world.now().getTime();
    try {
      const ended = await apply(config, {
        plan,
        planFile: file,
        version: VERSION,
        homeDir: dirname(configFile),
        now: world.now(),
        signal,
        onEvent: progress.take,
      });
      if (ended.state === "stopped") throw interrupted({ plan: file });
      const seconds = (world.now().getTime() - start) / 1000;
      return { value: { plan, summary: ended.result, seconds, wasDone: ended.wasDone } };
    } finally {
      progress.stop();
    }
  },
  view: applyView,
});
