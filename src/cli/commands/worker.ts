import { dirname } from "node:path";
import { z } from "zod";
import { work } from "../../app/worker.ts";
import { settingFields } from "../../contract/config.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { showProgress } from "../progress.ts";
import { VERSION } from "../version.ts";
import { showWorker, workerView } from "../views/worker.ts";

const options = z.object({
  ...stateOption,
  lanes: z.coerce.number().pipe(settingFields.lanes).optional().describe("chunks at once in this process").meta({
    value: "N",
  }),
  once: z
    .boolean()
    .default(false)
    .describe("end when the first run that it takes part in is over; default: wait for the next"),
});

/** `crosswind worker`: takes part in the runs of a state database. */
export const workerCommand = defineCommand({
  name: "worker",
  summary: "take part in runs of the configured environments, from any machine, until it is stopped",
  options,
  examples: ["crosswind worker", "crosswind worker --state postgresql://crosswind@state-host/crosswind --lanes 4"],
  async run({ world, configFile, json, signal }, { state, lanes, once }) {
    const flags = { state, lanes };
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags });
    const progress = showProgress(world, { json });
    const value = await work(config, {
      version: VERSION,
      actor: { who: world.user, host: world.host },
      homeDir: dirname(configFile),
      isOnce: once,
      now: world.now,
      signal,
      onEvent: progress.take,
      onWorkerEvent: showWorker(world, { json }),
    });
    return { value };
  },
  view: workerView,
});
