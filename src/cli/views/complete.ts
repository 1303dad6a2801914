import type { DecommissionStep } from "../../engine/complete/decommission.ts";
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

const sign = ({ isMet }: DecommissionStep): string => (isMet === undefined ? "·" : isMet ? "✓" : "✗");

function stepLines(step: DecommissionStep, width: number): readonly string[] {
  const { isMet, what, next } = step;
  return [
    wrap(`${sign(step)} ${what}`, width, "  "),
    ...(next === undefined || isMet === true ? [] : [wrap(`next: ${next}`, width, "    ")]),
  ];
}

function human({ evidence, files, removed }: CompleteResult, { width }: { readonly width: number }): string {
  const { verified } = evidence;
  return [
    `${count(verified.rows)} rows compared, ${count(verified.differences)} differences.`,
    `Evidence: ${files.join(" and ")}`,
    `Removed: ${removed.length === 0 ? "nothing" : removed.map((side) => `the schema crosswind of the ${side}`).join(", ")}.`,
    "",
    "Before the source is switched off:",
    ...evidence.decommission.flatMap((step) => stepLines(step, width)),
  ].join("\n");
}

export const completeView: View<CompleteResult> = { human, json: (result) => result };
