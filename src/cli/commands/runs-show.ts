import { dirname } from "node:path";
import { z } from "zod";
import { showRun } from "../../app/runs.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { runView } from "../views/runs.ts";

/** `crosswind runs show`: a run, and who did what with it. */
export const runsShowCommand = defineCommand({
  name: "runs show",
  summary: "show a run with its audit trail: who did what, when and from where",
  arguments: [{ name: "run", summary: "the run's id, or how it begins" }],
  options: z.object(stateOption),
  examples: ["crosswind runs show 3f2a", "crosswind runs show 3f2a --json"],
  async run({ world, configFile }, { state }, [run = ""]) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    return { value: await showRun(config, run, { homeDir: dirname(configFile) }) };
  },
  view: runView,
});
