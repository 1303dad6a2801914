import { dirname } from "node:path";
import { z } from "zod";
import { assertOpen, cutover, lookAtGate, namedDags } from "../../app-cutover.ts";
import { type Override, redConditions } from "../../engine/cutover/gate.ts";
import { notConfirmed } from "../../engine/cutover/problems.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { cutoverView, showCutover } from "../views/cutover.ts";

const MINUTE_MS = 60_000;

const options = z.object({
  dag: z
    .array(z.string())
    .default(["*"])
    .describe("the DAGs to switch; `*` and `?`, a leading `!` excludes")
    .meta({ value: "GLOB" }),
  yes: z.boolean().default(false).describe("switch them; without it nothing is switched"),
  dryRun: z
    .boolean()
    .default(false)
    .describe("only show the conditions and what each DAG would run next on the target"),
  override: z
    .array(z.string())
    .default([])
    .describe("take the responsibility for a condition that is red; the reason is kept in the record")
    .meta({ value: "CONDITION=REASON" }),
  acceptShift: z
    .array(z.string())
    .default([])
    .describe("DAGs whose runs may get another logical date on the target")
    .meta({ value: "GLOB" }),
  drainTimeout: z.coerce
    .number()
    .positive()
    .default(10)
    .describe("minutes to wait for a gap between a DAG's runs; then it is restored")
    .meta({ value: "MINUTES" }),
  watch: z.coerce
    .number()
    .nonnegative()
    .default(10)
    .describe("minutes to watch the first runs on the target")
    .meta({ value: "MINUTES" }),
});

function readOverride(text: string): Override {
  const [condition = "", ...reason] = text.split("=");
  return { condition, reason: reason.join("=") };
}

/** `crosswind cutover`: switches DAGs from the source to the target. Exit code 3 where one of them was restored. */
export const cutoverCommand = defineCommand({
  name: "cutover",
  summary:
    "switch DAGs from the source to the target: every tick runs once; run it again to finish after any interruption",
  options,
  examples: [
    "crosswind cutover --dag 'reporting_*'",
    "crosswind cutover --dag 'reporting_*' --yes",
    "crosswind cutover --dag daily_revenue --yes --watch 0 --json",
  ],
  async run({ world, configFile, json, signal }, { dag, yes, dryRun, drainTimeout, watch, ...rest }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const dagIds = await namedDags(config, dag, signal);
    const place = { who: world.user, homeDir: dirname(configFile), signal };
    const overrides = rest.override.map(readOverride);
    const gate = await lookAtGate(config, dagIds, { ...place, overrides, acceptsShift: rest.acceptShift });
    if (dryRun)
      return { value: { gate, dags: [] }, exitCode: redConditions(gate).length > 0 ? EXIT.blocked : EXIT.done };
    assertOpen(gate);
    if (!yes) throw notConfirmed({ count: dagIds.length });
    const report = await cutover(config, dagIds, {
      ...place,
      drainMs: drainTimeout * MINUTE_MS,
      watchMs: watch * MINUTE_MS,
      onEvent: showCutover(world, { json }),
    });
    const isDone = report.dags.every(({ state, reason }) => state !== "restored" && reason === undefined);
    return { value: { gate, ...report }, exitCode: isDone ? EXIT.done : EXIT.blocked };
  },
  view: cutoverView,
});
