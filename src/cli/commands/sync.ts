import { dirname } from "node:path";
import { z } from "zod";
import { sync } from "../../app/sync.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { showProgress } from "../progress.ts";
import { VERSION } from "../version.ts";
import { syncView } from "../views/sync.ts";

const options = z.object({
  deletions: z
    .enum(["keep", "carry"])
    .default("keep")
    .describe(
      "rows that were deleted on the source: `keep` them on the target and say so, or `carry` the deletion over",
    )
    .meta({ value: "WHAT" }),
  reselect: z.boolean().default(false).describe("take what the configuration selects now; default: what was planned"),
});

/** `crosswind sync`: the delta since the last copy. */
export const syncCommand = defineCommand({
  name: "sync",
  summary: "bring what changed on the source since the last copy; repeat it as often as you like",
  options,
  examples: ["crosswind sync", "crosswind sync --deletions carry", "crosswind sync --reselect --json"],
  async run({ world, configFile, json, signal }, { deletions, reselect }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const progress = showProgress(world, { json });
    const start = world.now();
    try {
      const { summary, findings } = await sync(config, {
        deletions,
        isReselected: reselect,
        version: VERSION,
        homeDir: dirname(configFile),
        now: start,
        signal,
        onEvent: progress.take,
      });
      const seconds = (world.now().getTime() - start.getTime()) / 1000;
      return { value: { ...summary, findings, seconds } };
    } finally {
      progress.stop();
    }
  },
  view: syncView,
});
