import type { PlannedWaves } from "../../app/waves.ts";
import type { Finding } from "../../domain/finding.ts";
import { describeTie, type Wave } from "../../engine/cutover/waves.ts";
import type { View } from "../command.ts";
import { countFindings, showFinding } from "./findings.ts";
import { count, printable, table, wrap } from "./text.ts";

/** What the command `waves` gives back. */
export type WavesResult =
  | ({ readonly kind: "proposed"; readonly file: string } & PlannedWaves)
  | {
      readonly kind: "checked";
      readonly file: string;
      readonly waves: readonly Wave[];
      readonly findings: readonly Finding[];
    };

const MOST_TIES = 20;
const WHY_WIDTH = 90;

function rowsOf({ name, dags }: Wave): readonly (readonly string[])[] {
  return dags.map(({ dagId, why }, index) => [
    index === 0 ? name : "",
    printable(dagId),
    cut(printable(why.join("; "))),
  ]);
}

/** The file has it in full. */
function cut(text: string): string {
  return text.length <= WHY_WIDTH ? text : `${text.slice(0, WHY_WIDTH - 1)}…`;
}

function some(lines: readonly string[], width: number): readonly string[] {
  const more = lines.length - MOST_TIES;
  return [
    ...lines.slice(0, MOST_TIES).map((line) => wrap(printable(line), width, "  ")),
    ...(more > 0 ? [`  and ${count(more)} more (crosswind waves --json)`] : []),
  ];
}

function crossingLines({ crossing, open }: PlannedWaves, width: number): readonly string[] {
  const leaving = crossing.map((tie) => `! ${describeTie(tie)}`);
  const unknown = open.map(({ dagId, taskId, text }) => `? ${dagId} ${taskId} names ${text}`);
  return [
    ...(leaving.length > 0 ? ["", "Tied to DAGs that are not selected, or not active:", ...some(leaving, width)] : []),
    ...(unknown.length > 0 ? ["", "Tied to what only the task knows when it runs:", ...some(unknown, width)] : []),
  ];
}

function amount(waves: readonly Wave[]): string {
  const dags = waves.reduce((sum, each) => sum + each.dags.length, 0);
  return `${count(waves.length)} ${waves.length === 1 ? "wave" : "waves"}, ${count(dags)} ${dags === 1 ? "DAG" : "DAGs"}`;
}

function human(result: WavesResult, { width }: { readonly width: number }): string {
  if (result.kind === "checked") {
    const { file, waves, findings } = result;
    return [
      `${printable(file)}: ${amount(waves)}; ${countFindings(findings)}`,
      ...findings.flatMap((each) => [showFinding(each, width), ...subjectsOf(each, width)]),
    ].join("\n");
  }
  return [
    table([{ title: "wave" }, { title: "DAG" }, { title: "why" }], result.waves.flatMap(rowsOf)),
    ...crossingLines(result, width),
    "",
    `${amount(result.waves)}. Nothing has been changed on either side.`,
    `Saved to ${printable(result.file)}; edit it as you like. Next: crosswind waves --check ${printable(result.file)}`,
  ].join("\n");
}

function subjectsOf({ subjects = [], count: all = subjects.length }: Finding, width: number): readonly string[] {
  if (subjects.length === 0) return [];
  const names = subjects.map((each) => printable(each.replace(/^dag:/, ""))).join(", ");
  return [wrap(all > subjects.length ? `${names} and ${count(all - subjects.length)} more` : names, width, "      ")];
}

export const wavesView: View<WavesResult> = {
  human,
  json: (result) => result,
};
