import { dirname } from "node:path";
import { z } from "zod";
import { cancelCutover } from "../../app/cutover.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { cutoverView, showCutover } from "../views/cutover.ts";

/** `crosswind cancel`: gives up what is under way of a cutover. */
export const cancelCommand = defineCommand({
  name: "cancel",
  summary: "give up the switches that are under way: both sides as they were before them; what was copied stays",
  options: z.object({}),
  examples: ["crosswind cancel", "crosswind cancel --json"],
  async run({ world, configFile, json, signal }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const onEvent = showCutover(world, { json });
    return { value: await cancelCutover(config, { who: world.user, homeDir: dirname(configFile), signal, onEvent }) };
  },
  view: cutoverView,
});
