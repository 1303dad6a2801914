import { dirname } from "node:path";
import { z } from "zod";
import { cancelRun } from "../../app/runs.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { runView } from "../views/runs.ts";

/** `crosswind runs cancel`: ends a run for good. */
export const runsCancelCommand = defineCommand({
  name: "runs cancel",
  summary: "end a run for good: nothing of it is begun any more, indexes and keys are put back; what was copied stays",
  arguments: [{ name: "run", summary: "the run's id, or how it begins" }],
  options: z.object(stateOption),
  examples: ["crosswind runs cancel 3f2a"],
  async run({ world, configFile, signal }, { state }, [beginning = ""]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    const actor = { who: world.user, host: world.host };
    return { value: await cancelRun(config, beginning, { actor, signal, homeDir: dirname(configFile) }) };
  },
  view: runView,
});
