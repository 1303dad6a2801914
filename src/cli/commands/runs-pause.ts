import { dirname } from "node:path";
import { z } from "zod";
import { orderRun } from "../../app/runs.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { runView } from "../views/runs.ts";

/** `crosswind runs pause`. */
export const runsPauseCommand = defineCommand({
  name: "runs pause",
  summary: "let the chunks under way end, and begin none until it is resumed",
  arguments: [{ name: "run", summary: "the run's id, or how it begins" }],
  options: z.object(stateOption),
  examples: ["crosswind runs pause 3f2a"],
  async run({ world, configFile }, { state }, [beginning = ""]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    const actor = { who: world.user, host: world.host };
    return { value: await orderRun(config, { beginning, wanted: "pause" }, { actor, homeDir: dirname(configFile) }) };
  },
  view: runView,
});
