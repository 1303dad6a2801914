import { dirname } from "node:path";
import { z } from "zod";
import { checkProposedWaves, proposeWaves } from "../../app/waves.ts";
import { type CommandResult, defineCommand, EXIT, exitCodeOf } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { selectionOptions } from "../config/options.ts";
import { type WavesResult, wavesView } from "../views/waves.ts";
import { loadWaves, saveWaves } from "../waves-file.ts";

const options = z.object({
  output: z
    .string()
    .default("waves.yaml")
    .describe("file to save the waves in; default: waves.yaml")
    .meta({ short: "o", value: "FILE" }),
  size: z.coerce
    .number()
    .int()
    .positive()
    .default(20)
    .describe("DAGs of a wave at most, default 20; DAGs that are tied stay together all the same")
    .meta({ value: "N" }),
  check: z
    .string()
    .optional()
    .describe("check an edited file against the source, and write none")
    .meta({ value: "FILE" }),
  dag: selectionOptions.dag,
  force: z.boolean().default(false).describe("write over a file that is there"),
});

/** `crosswind waves`: which DAGs to switch together, and in which order. Exit code 3 where a checked file can not be used. */
export const wavesCommand = defineCommand({
  name: "waves",
  summary: "group DAGs that belong together into waves, least at stake first; or check an edited file of waves",
  options,
  examples: [
    "crosswind waves",
    "crosswind waves -o reporting.yaml --dag 'reporting_*' --size 5",
    "crosswind waves --check waves.yaml",
  ],
  async run({ world, configFile, signal }, { output, size, check, dag, force }) {
    const flags = dag === undefined ? {} : { dag };
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd, flags });
    const opened = { now: world.now(), homeDir: dirname(configFile), signal };
    if (check !== undefined) {
      const waves = await loadWaves(check, world.cwd);
      const findings = await checkProposedWaves(config, waves, opened);
      return result({ kind: "checked", file: check, waves, findings }, exitCodeOf(findings));
    }
    const planned = await proposeWaves(config, { ...opened, size });
    await saveWaves(planned.waves, { file: output, cwd: world.cwd, isForced: force });
    return result({ kind: "proposed", file: output, ...planned });
  },
  view: wavesView,
});

/** One type for both things that the command does. */
function result(value: WavesResult, exitCode: number = EXIT.done): CommandResult<WavesResult> {
  return { value, exitCode };
}
