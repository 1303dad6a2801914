import { dirname } from "node:path";
import { z } from "zod";
import { readMigrationStatus } from "../../app/status.ts";
import type { Config } from "../../domain/config.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateOption } from "../config/options.ts";
import { type Progress, showProgress } from "../progress.ts";
import { statusView } from "../views/status.ts";

const options = z.object({
  ...stateOption,
  follow: z.boolean().default(false).describe("show the progress of the newest run to its end, whoever works on it"),
});

async function follow(config: Config, context: CommandContext): Promise<void> {
  // Without it `status` starts faster.
  const { followNewest } = await import("../../app/runs.ts");
  const { world, configFile, json, signal } = context;
  let progress: Progress | undefined;
  try {
    await followNewest(config, {
      homeDir: dirname(configFile),
      signal,
      onRun: ({ plan }) => {
        progress = showProgress(world, { json, plan });
        return progress.take;
      },
    });
  } finally {
    progress?.stop();
  }
}

/** `crosswind status`: the migration's state, from the target's ledger. */
export const statusCommand = defineCommand({
  name: "status",
  summary: "show what was copied so far, by which runs, and what is still to be put back",
  options,
  examples: ["crosswind status", "crosswind status --follow", "crosswind status --json"],
  async run(context, given) {
    const { world, configFile } = context;
    const flags = { state: given.state };
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags });
    if (given.follow) await follow(config, context);
    return { value: await readMigrationStatus(config, dirname(configFile)) };
  },
  view: statusView,
});
