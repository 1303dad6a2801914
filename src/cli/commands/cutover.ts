import { dirname } from "node:path";
import { z } from "zod";
import { assertOpen, cutover, lookAtGate, namedDags } from "../../app/cutover.ts";
import { holdCutover, letGo } from "../../app/hold.ts";
import type { Config } from "../../domain/config.ts";
import { type Override, redConditions } from "../../engine/cutover/gate.ts";
import { dagMissing, notConfirmed, nothingChosen, waveUnknown } from "../../engine/cutover/problems.ts";
import type { WaveReport } from "../../engine/cutover/wave.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { cutoverView, showCutover } from "../views/cutover.ts";
import { loadWaves } from "../waves-file.ts";

const MINUTE_MS = 60_000;

const options = z.object({
  dag: z
    .array(z.string())
    .default([])
    .describe("the DAGs to switch; `*` and `?`, a leading `!` excludes")
    .meta({ value: "GLOB" }),
  wave: z.string().optional().describe("the DAGs of this wave, in place of `--dag`").meta({ value: "NAME" }),
  waves: z.string().default("waves.yaml").describe("the file of waves").meta({ value: "FILE" }),
  yes: z.boolean().default(false).describe("switch them; without it nothing is switched"),
  dryRun: z
    .boolean()
    .default(false)
    .describe("only show the conditions, what each DAG would run next on the target, and what would be written"),
  hold: z
    .boolean()
    .default(false)
    .describe("get everything ready, keep it so, and wait for the word: `crosswind cutover --go`"),
  go: z.boolean().default(false).describe("let the cutover go on that waits with `--hold`"),
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
  drainPolicy: z
    .boolean()
    .default(false)
    .describe(
      "the source has the drain policy (crosswind drain-policy): where there is no gap, let DAGs end with their newest run",
    ),
  handOver: z
    .boolean()
    .default(false)
    .describe(
      "where there is no gap in time: pause, and let the target go on with runs that are half done; default: restore",
    ),
  keepDeleted: z
    .boolean()
    .default(false)
    .describe("let rows stay on the target that were deleted on the source since they were copied; default: restore"),
  watch: z.coerce
    .number()
    .nonnegative()
    .default(10)
    .describe("minutes to watch the first runs on the target")
    .meta({ value: "MINUTES" }),
});

interface Choice {
  readonly dag: readonly string[];
  readonly wave: string | undefined;
  readonly file: string;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** The DAGs of the wave, or those that the patterns name. Throws USAGE_NOTHING_CHOSEN, CUTOVER_WAVE_UNKNOWN, CUTOVER_DAG_MISSING. */
async function chosenDags(config: Config, { dag, wave, file, cwd, signal }: Choice): Promise<readonly string[]> {
  if (wave === undefined) {
    if (dag.length === 0) throw nothingChosen({});
    return await namedDags(config, dag, signal);
  }
  const waves = await loadWaves(file, cwd);
  const chosen = waves.find(({ name }) => name === wave);
  if (chosen === undefined) throw waveUnknown({ wave, file, known: waves.map(({ name }) => name).join(", ") });
  const ids = chosen.dags.map(({ dagId }) => dagId);
  const there = await namedDags(config, ids, signal);
  const missing = ids.filter((id) => !there.includes(id));
  if (missing.length > 0) throw dagMissing({ dags: missing.join(", "), side: "source" });
  return there;
}

function readOverride(text: string): Override {
  const [condition = "", ...reason] = text.split("=");
  return { condition, reason: reason.join("=") };
}

function isDone({ failed, dags }: WaveReport): boolean {
  return failed === undefined && dags.every(({ state, reason }) => state !== "restored" && reason === undefined);
}

/** `crosswind cutover`: switches DAGs from the source to the target. Exit code 3 where one of them was restored. */
export const cutoverCommand = defineCommand({
  name: "cutover",
  summary:
    "switch DAGs from the source to the target: every tick runs once; run it again to finish after any interruption",
  options,
  examples: [
    "crosswind cutover --wave wave-1 --dry-run",
    "crosswind cutover --wave wave-1 --yes",
    "crosswind cutover --dag 'reporting_*' --yes",
    "crosswind cutover --dag daily_revenue --yes --watch 0 --json",
    "crosswind cutover --wave wave-1 --hold --yes",
    "crosswind cutover --go",
  ],
  async run({ world, configFile, json, signal }, { dag, yes, dryRun, drainTimeout, watch, ...rest }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const place = { who: world.user, homeDir: dirname(configFile), signal, endsDags: rest.drainPolicy };
    if (rest.go) return { value: { dags: [], went: await letGo(config, place) } };
    const dagIds = await chosenDags(config, { dag, wave: rest.wave, file: rest.waves, cwd: world.cwd, signal });
    const overrides = rest.override.map(readOverride);
    const look = () => lookAtGate(config, dagIds, { ...place, overrides, acceptsShift: rest.acceptShift });
    let gate = await look();
    if (dryRun)
      return { value: { gate, dags: [] }, exitCode: redConditions(gate).length > 0 ? EXIT.blocked : EXIT.done };
    assertOpen(gate);
    if (!yes) throw notConfirmed({ count: dagIds.length });
    const onEvent = showCutover(world, { json });
    if (rest.hold) {
      await holdCutover(config, dagIds, { ...place, onEvent });
      // Hours may have passed.
      gate = await look();
      assertOpen(gate);
    }
    const report = await cutover(config, dagIds, {
      ...place,
      gate,
      drainMs: drainTimeout * MINUTE_MS,
      handsOver: rest.handOver,
      keepsDeleted: rest.keepDeleted,
      watchMs: watch * MINUTE_MS,
      onEvent,
    });
    return { value: { gate, ...report }, exitCode: isDone(report) ? EXIT.done : EXIT.blocked };
  },
  view: cutoverView,
});
