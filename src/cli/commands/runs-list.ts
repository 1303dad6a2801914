import { dirname } from "node:path";
import { z } from "zod";
import { listRuns } from "../../app/runs.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { runsView } from "../views/runs.ts";

/** `crosswind runs list`: the history of runs. */
export const runsListCommand = defineCommand({
  name: "runs list",
  summary: "show the runs of the state database: who began them, when, and what became of them",
  options: z.object(stateOption),
  examples: ["crosswind runs list", "crosswind runs list --json"],
  async run({ world, configFile }, { state }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags: { state } });
    return { value: await listRuns(config, { homeDir: dirname(configFile) }) };
  },
  view: runsView,
});
