import { dirname } from "node:path";
import { z } from "zod";
import { openTargetStatus } from "../../app/sides.ts";
import { readStatus } from "../../engine/copy/read-status.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { statusView } from "../views/status.ts";

/** `crosswind status`: the migration's state, from the target's ledger. */
export const statusCommand = defineCommand({
  name: "status",
  summary: "show what was copied so far, by which runs, and what is still to be put back",
  options: z.object({}),
  examples: ["crosswind status", "crosswind status --json"],
  async run({ world, configFile }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    await using target = await openTargetStatus(config, { homeDir: dirname(configFile) });
    await using session = await target.session();
    return { value: await readStatus(session) };
  },
  view: statusView,
});
