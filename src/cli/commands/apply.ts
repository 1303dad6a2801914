import { dirname, resolve } from "node:path";
import { z } from "zod";
import { apply } from "../../app/apply.ts";
import { interrupted } from "../../engine/copy/problems.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { readPlan } from "../plan-file.ts";
import { showProgress } from "../progress.ts";
import { VERSION } from "../version.ts";
import { applyView } from "../views/apply.ts";

const options = z.object({
  ...stateOption,
  detach: z.boolean().default(false).describe("leave the run to `crosswind worker` processes, and return at once"),
});

/** `crosswind apply`: does what a saved plan says, or goes on where an earlier apply of it stopped. */
export const applyCommand = defineCommand({
  name: "apply",
  summary: "do what a saved plan says; run it again to go on after any interruption, or to watch it",
  arguments: [{ name: "plan", summary: "a plan saved by `crosswind plan`", isOptional: true }],
  options,
  examples: [
    "crosswind apply crosswind.plan.json",
    "crosswind apply crosswind.plan.json --json 2>progress.ndjson",
    "crosswind apply --detach",
  ],
  async run({ world, configFile, json, signal }, { state, detach }, [file = "crosswind.plan.json"]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    const plan = await readPlan(resolve(world.cwd, file));
    const progress = showProgress(world, { json, plan });
    const start = world.now().getTime();
    try {
      const ended = await apply(config, {
        plan,
        planFile: file,
        version: VERSION,
        actor: { who: world.user, host: world.host },
        mode: detach ? "detached" : "foreground",
        homeDir: dirname(configFile),
        now: world.now(),
        signal,
        onEvent: progress.take,
      });
      if (ended.state === "stopped") throw interrupted({ plan: file });
      if (ended.state === "detached") return { value: { state: "detached", plan } as const };
      const seconds = (world.now().getTime() - start) / 1000;
      return { value: { state: "done", plan, summary: ended.result, seconds, wasDone: ended.wasDone } as const };
    } finally {
      progress.stop();
    }
  },
  view: applyView,
});
