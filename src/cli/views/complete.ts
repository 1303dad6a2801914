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
  /** Databases in staging that were removed. */
  readonly stagings: number;
}

const sign = ({ isMet }: DecommissionStep): string => (isMet === undefined ? "·" : isMet ? "✓" : "✗");

function stepLines(step: DecommissionStep, width: number): readonly string[] {
  const { isMet, what, next } = step;
  return [
    wrap(`${sign(step)} ${what}`, width, "  "),
    ...(next === undefined || isMet === true ? [] : [wrap(`next: ${next}`, width, "    ")]),
  ];
}

function removedLine({ removed, stagings }: CompleteResult): string {
  const parts = [
    ...removed.map((side) => `the schema crosswind of the ${side}`),
    ...(stagings === 0 ? [] : [`${count(stagings)} databases in staging`]),
  ];
  return `Removed: ${parts.length === 0 ? "nothing" : parts.join(", ")}.`;
}

function human(result: CompleteResult, { width }: { readonly width: number }): string {
  const { evidence, files } = result;
  const { verified } = evidence;
  return [
    `${count(verified.rows)} rows compared, ${count(verified.differences)} differences.`,
    `Evidence: ${files.join(" and ")}`,
    removedLine(result),
    "",
    "Before the source is switched off:",
    ...evidence.decommission.flatMap((step) => stepLines(step, width)),
  ].join("\n");
}

export const completeView: View<CompleteResult> = { human, json: (result) => result };
