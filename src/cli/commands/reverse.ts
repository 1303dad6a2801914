import { dirname } from "node:path";
import { z } from "zod";
import { namedDags, reverse } from "../../app/cutover.ts";
import { notConfirmed, nothingChosen } from "../../engine/cutover/problems.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { cutoverView, showCutover } from "../views/cutover.ts";

const MINUTE_MS = 60_000;

const options = z.object({
  dag: z
    .array(z.string())
    .default([])
    .describe("the DAGs to take back; `*` and `?`, a leading `!` excludes")
    .meta({ value: "GLOB" }),
  yes: z.boolean().default(false).describe("take them back; without it nothing is switched"),
  drainTimeout: z.coerce
    .number()
    .positive()
    .default(10)
    .describe("minutes to wait for a gap between a DAG's runs on the target; then it stays there")
    .meta({ value: "MINUTES" }),
  drainPolicy: z
    .boolean()
    .default(false)
    .describe(
      "the target has the drain policy (crosswind drain-policy): where there is no gap, let DAGs end with their newest run",
    ),
});

/** `crosswind reverse`: the way back, with the work done on the target since. Exit code 3 where one of them stayed there. */
export const reverseCommand = defineCommand({
  name: "reverse",
  summary: "switch DAGs back to the source, with the work done on the target since",
  options,
  examples: ["crosswind reverse --dag 'reporting_*' --yes", "crosswind reverse --dag daily_revenue --yes --json"],
  async run({ world, configFile, json, signal }, { dag, yes, drainTimeout, drainPolicy }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    if (dag.length === 0) throw nothingChosen({});
    const dagIds = await namedDags(config, dag, signal);
    if (!yes) throw notConfirmed({ count: dagIds.length });
    const report = await reverse(config, dagIds, {
      who: world.user,
      homeDir: dirname(configFile),
      drainMs: drainTimeout * MINUTE_MS,
      endsDags: drainPolicy,
      signal,
      onEvent: showCutover(world, { json }),
    });
    const isDone = report.failed === undefined && report.dags.every(({ state }) => state === "reversed");
    return { value: report, exitCode: isDone ? EXIT.done : EXIT.blocked };
  },
  view: cutoverView,
});
