import type { Evidence } from "../../engine/complete/evidence.ts";
import type { View } from "../command.ts";
import { count, wrap } from "./text.ts";

/** What the command `complete` gives back. */
export interface CompleteResult {
  readonly evidence: Evidence;
  /** The report's files: JSON and HTML. */
  readonly files: readonly string[];
  /** Sides whose records were removed. */
  readonly removed: readonly ("source" | "target")[];
}

function sourceLines({ sourceUse }: Evidence): readonly string[] {
  const { lastRunAt, unpausedDags, callers } = sourceUse;
  return [
    `Before the source is switched off: its newest run was ${lastRunAt ?? "never"};`,
    unpausedDags.length === 0 ? "  ✓ every DAG is paused there" : `  ✗ not paused there: ${unpausedDags.join(", ")}`,
    callers.length === 0
      ? "  ✓ nobody is in its audit log of the last 7 days"
      : `  · in its audit log of the last 7 days: ${callers.map(({ who, events }) => `${who} (${count(events)})`).join(", ")}`,
    "  · take a last backup of its database, and keep its logs",
  ];
}

function human({ evidence, files, removed }: CompleteResult, { width }: { readonly width: number }): string {
  const { verified } = evidence;
  return [
    `${count(verified.rows)} rows compared, ${count(verified.differences)} differences.`,
    `Evidence: ${files.join(" and ")}`,
    `Removed: ${removed.length === 0 ? "nothing" : removed.map((side) => `the schema crosswind of the ${side}`).join(", ")}.`,
    "",
    ...sourceLines(evidence).map((line) => wrap(line, width, "")),
  ].join("\n");
}

export const completeView: View<CompleteResult> = { human, json: (result) => result };
