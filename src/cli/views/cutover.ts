import type { Condition, ConditionState, Gate } from "../../engine/cutover/gate.ts";
import type { CutoverEvent, DagSwitch } from "../../engine/cutover/switch-state.ts";
import type { WaveReport } from "../../engine/cutover/wave.ts";
import type { View, World } from "../command.ts";
import { duration, printable, table, wrap } from "./text.ts";

/** One line for each event on standard error: for people, or NDJSON. */
export function showCutover(world: World, { json }: { readonly json: boolean }): (event: CutoverEvent) => void {
  return (event) => {
    const at = world.now().toISOString();
    if (json) world.err(`${JSON.stringify({ at, kind: "switch", ...event })}\n`);
    else world.err(`${at.slice(11, 19)}  ${printable(event.dagId)}  ${event.state}: ${printable(event.what)}\n`);
  };
}

/** Seconds in which nothing could run on either side. */
function pausedSeconds({ pausedAt, liveAt }: DagSwitch): number | undefined {
  if (pausedAt === undefined || liveAt === undefined) return undefined;
  return (Date.parse(liveAt) - Date.parse(pausedAt)) / 1000;
}

function nextOf({ next, state }: DagSwitch): string {
  if (state !== "live" && state !== "settled") return "";
  if (next === undefined || next === null) return "nothing due";
  return next.logicalDate.slice(0, 16).replace("T", " ");
}

function stateOf(kept: DagSwitch): string {
  const seconds = pausedSeconds(kept);
  const took = seconds === undefined || kept.state === "restored" ? "" : ` (${duration(seconds)} paused)`;
  return `${kept.state}${kept.wasPaused && kept.state === "live" ? ", paused as before" : ""}${took}`;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** What the command `cutover` gives back; the way back and `cancel` have no gate. */
export interface CutoverResult extends WaveReport {
  readonly gate?: Gate;
  /** DAGs of a cutover that waited and was given the word. */
  readonly went?: readonly string[];
}

const SIGNS: Readonly<Record<ConditionState, string>> = { green: "✓", red: "✗", note: "·", overridden: "!" };
const MOST_DETAILS = 10;

function conditionLines({ id, state, what, next, details, override }: Condition, width: number): readonly string[] {
  if (state === "green") return [];
  const by = override === undefined ? "" : ` (overridden by ${override.who}: ${printable(override.reason)})`;
  const shown = details.slice(0, MOST_DETAILS).map((detail) => `    ${printable(detail)}`);
  const more = details.length > MOST_DETAILS ? [`    … and ${details.length - MOST_DETAILS} more`] : [];
  const remedies = state === "red" ? next.map((each) => wrap(`next: ${printable(each)}`, width, "    ")) : [];
  return [wrap(`${SIGNS[state]} ${id}  ${printable(what)}${by}`, width, ""), ...shown, ...more, ...remedies];
}

/** What would be sent, in order; only for a look beforehand. */
function callLines({ calls }: Gate, width: number): readonly string[] {
  const byDag = Map.groupBy(calls, ({ dagId }) => dagId);
  return [...byDag].flatMap(([dagId, ofDag]) => [
    printable(dagId),
    ...ofDag.map(({ side, call, when }) => wrap(`${side}: ${printable(call)}  (${when})`, width, "    ")),
  ]);
}

function gateLines(gate: Gate | undefined, width: number): readonly string[] {
  if (gate === undefined || gate.previews.length === 0) return [];
  const count = (wanted: ConditionState) => gate.conditions.filter(({ state }) => state === wanted).length;
  const rows = gate.previews.map(({ dagId, chosen }) => [
    printable(dagId),
    chosen?.next.state === "due"
      ? new Date(chosen.next.run.logicalDate / 1000).toISOString().slice(0, 16).replace("T", " ")
      : "",
    chosen?.verdict ?? "not known",
  ]);
  return [
    `Gate: ${count("green")} green, ${count("red")} red, ${count("overridden")} overridden, ${count("note")} notes`,
    ...gate.conditions.flatMap((condition) => conditionLines(condition, width)),
    "",
    table([{ title: "DAG" }, { title: "next run on the target" }, { title: "" }], rows),
    "",
  ];
}

function human({ gate, dags, failed, went }: CutoverResult, { width }: { readonly width: number }): string {
  if (went !== undefined)
    return wrap(
      `The cutover that waits goes on: ${printable(went.join(", "))}. It tells what becomes of them.`,
      width,
      "",
    );
  const before = gateLines(gate, width);
  if (dags.length === 0 && failed === undefined)
    return gate === undefined
      ? "Nothing is under way."
      : [...before, "What would be written:", ...callLines(gate, width), "", "Nothing was switched."].join("\n");
  const rows = dags.map((kept) => [printable(kept.dagId), stateOf(kept), nextOf(kept)]);
  const reasons = dags.filter(({ reason }) => reason !== undefined);
  const middle = median(dags.flatMap((kept) => (kept.wasPaused ? [] : (pausedSeconds(kept) ?? []))));
  return [
    ...before,
    table([{ title: "DAG" }, { title: "state" }, { title: "next run on the target" }], rows),
    "",
    ...(failed ?? []).map(({ dagId, what }) => wrap(`✗ ${printable(dagId)}: ${printable(what)}`, width, "")),
    ...dags.flatMap(({ dagId, stayed }) =>
      stayed === undefined
        ? []
        : [wrap(`! ${printable(dagId)}: open runs stay on the source: ${printable(stayed.join(", "))}`, width, "")],
    ),
    ...reasons.map(({ dagId, reason = "" }) => wrap(`! ${printable(dagId)}: ${printable(reason)}`, width, "")),
    ...dags.flatMap(({ dagId, missed }) =>
      missed === undefined
        ? []
        : [
            wrap(
              `! ${printable(dagId)}: no run from ${missed.from} to ${missed.to}; it has no catchup. Add them: crosswind continuity --dag ${printable(dagId)} --add-missed`,
              width,
              "",
            ),
          ],
    ),
    ...(middle === undefined ? [] : [`Paused on both sides: ${duration(middle)} in the middle.`]),
    "Next: crosswind continuity",
  ].join("\n");
}

export const cutoverView: View<CutoverResult> = {
  human,
  json: ({ gate, dags, failed, went }) => ({
    ...(went === undefined ? {} : { went }),
    ...(failed === undefined ? {} : { failed }),
    ...(gate === undefined ? {} : { gate }),
    dags: dags.map((kept) => ({ ...kept, pausedSeconds: pausedSeconds(kept) })),
  }),
};
