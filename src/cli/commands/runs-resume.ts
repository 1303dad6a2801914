import { dirname } from "node:path";
import { z } from "zod";
import { orderRun } from "../../app/runs.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { runView } from "../views/runs.ts";

/** `crosswind runs resume`. */
export const runsResumeCommand = defineCommand({
  name: "runs resume",
  summary: "let a run go on that was paused, stopped or has failed; a worker takes it up, or the next apply",
  arguments: [{ name: "run", summary: "the run's id, or how it begins" }],
  options: z.object(stateOption),
  examples: ["crosswind runs resume 3f2a"],
  async run({ world, configFile }, { state }, [beginning = ""]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    const actor = { who: world.user, host: world.host };
    return { value: await orderRun(config, { beginning, wanted: "run" }, { actor, homeDir: dirname(configFile) }) };
  },
  view: runView,
});
