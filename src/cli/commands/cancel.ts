import { dirname } from "node:path";
import { z } from "zod";
import { cancelCutover } from "../../app/cutover.ts";
import { removeCopy } from "../../app/remove-copied.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { cancelView } from "../views/cancel.ts";
import { showCutover } from "../views/cutover.ts";

const options = z.object({
  removeCopied: z
    .boolean()
    .default(false)
    .describe(
      "list the copied rows that the target has not changed since; with `--yes` they are removed, and the ledger with them",
    ),
  yes: z.boolean().default(false).describe("remove what `--remove-copied` lists"),
});

/** `crosswind cancel`: gives up what is under way of a cutover, and, where asked to, what was copied. */
export const cancelCommand = defineCommand({
  name: "cancel",
  summary:
    "give up the switches that are under way: both sides as they were before them; what was copied stays unless told otherwise",
  options,
  examples: ["crosswind cancel", "crosswind cancel --remove-copied", "crosswind cancel --remove-copied --yes"],
  async run({ world, configFile, json, signal }, { removeCopied, yes }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const onEvent = showCutover(world, { json });
    const homeDir = dirname(configFile);
    const isOnlyLook = removeCopied && !yes;
    const restored = isOnlyLook
      ? { dags: [] }
      : await cancelCutover(config, { who: world.user, homeDir, signal, onEvent });
    const copy = removeCopied ? await removeCopy(config, { isConfirmed: yes, homeDir, signal }) : undefined;
    return { value: { ...restored, ...(copy === undefined ? {} : { copy }) } };
  },
  view: cancelView,
});
