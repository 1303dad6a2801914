import { z } from "zod";
import { defineCommand, EXIT } from "../command.ts";
import { readSettings } from "../config/load.ts";
import { configShowView } from "../views/config-show.ts";

/** `crosswind config show`: every setting and where it came from. Exit code 3 when a reference can not be read. */
export const configShowCommand = defineCommand({
  name: "config show",
  summary: "show each setting and where it came from; prints no secret",
  options: z.object({}),
  examples: ["crosswind config show", "crosswind config show -c prod.yaml --json"],
  async run({ world, configFile }) {
    const value = await readSettings({ file: configFile, env: world.env, cwd: world.cwd });
    const isMissing = value.origins.some((setting) => setting.references.some((each) => each.isMissing));
    return { value, exitCode: isMissing ? EXIT.blocked : EXIT.done };
  },
  view: configShowView,
});
