import type { MissedReport } from "../../app/missed.ts";
import type { DeviationKind } from "../../engine/cutover/continuity.ts";
import { type DagContinuity, TICK_SIGNS } from "../../engine/cutover/read-continuity.ts";
import type { View } from "../command.ts";
import { count, printable, table, wrap } from "./text.ts";

/** What the command `continuity` gives back. Times are ISO 8601. */
export interface ContinuityResult extends Partial<MissedReport> {
  readonly since: string;
  readonly until: string;
  readonly isContinuous: boolean;
  readonly dags: readonly DagContinuity[];
}

const PHRASES: Readonly<Record<DeviationKind, string>> = {
  gap: "never ran",
  skipped: "skipped, as catchup=False asks for",
  double: "ran twice on one side",
  "both-sides": "ran on both sides",
  "wrong-side": "ran on the side that does not own the DAG",
  "off-schedule": "at no tick of the schedule",
};

/** Shown and not wrong. */
const HARMLESS: readonly DeviationKind[] = ["skipped", "off-schedule"];
const MOST_LISTED = 20;

function wrongOf({ counts }: DagContinuity): number {
  const wrong = Object.entries(counts).filter(([kind]) => !HARMLESS.includes(kind as DeviationKind));
  return wrong.reduce((sum, [, each]) => sum + each, 0);
}

function rowOf(dag: DagContinuity): readonly string[] {
  const { counts } = dag;
  return [
    printable(dag.dagId),
    dag.owner,
    count(dag.ticks),
    count(dag.ran),
    count(counts.gap ?? 0),
    count((counts.double ?? 0) + (counts["both-sides"] ?? 0)),
    count(counts["wrong-side"] ?? 0),
    count(counts.skipped ?? 0),
    dag.timeline,
  ];
}

const RIGHT = { align: "right" } as const;
const COLUMNS = [
  { title: "DAG" },
  { title: "owner" },
  { title: "ticks", ...RIGHT },
  { title: "ran", ...RIGHT },
  { title: "gaps", ...RIGHT },
  { title: "doubles", ...RIGHT },
  { title: "wrong side", ...RIGHT },
  { title: "skipped", ...RIGHT },
  { title: "the last ticks" },
];

function deviationLines(dag: DagContinuity, width: number): readonly string[] {
  const listed = dag.deviations.filter(({ kind }) => !HARMLESS.includes(kind)).slice(-MOST_LISTED);
  const more = wrongOf(dag) - listed.length;
  return [
    `✗ ${printable(dag.dagId)}: ${dag.says}`,
    ...(more > 0 ? [`    ${count(more)} before these (crosswind continuity --json)`] : []),
    ...listed.map(({ kind, tick, runs }) => {
      const where = runs.map(({ side, runId }) => `${side} ${runId}`).join(", ");
      return wrap(`${tick}  ${PHRASES[kind]}${where === "" ? "" : `: ${printable(where)}`}`, width, "    ");
    }),
  ];
}

function notComputableLines(dags: readonly DagContinuity[], width: number): readonly string[] {
  return dags.flatMap(({ dagId, notComputable }) =>
    notComputable === null
      ? []
      : [wrap(`· ${printable(dagId)}: only checked for doubles: ${printable(notComputable)}`, width, "")],
  );
}

/** To the minute, in UTC: `2026-11-01 08:00`. */
function minute(moment: string): string {
  return moment.slice(0, 16).replace("T", " ");
}

function sentence({ dags, since }: ContinuityResult): string {
  const counted = dags.filter(({ rule }) => rule !== "no-run-twice");
  const ticks = counted.reduce((sum, each) => sum + each.ticks, 0);
  const wrong = dags.reduce((sum, each) => sum + wrongOf(each), 0);
  return wrong === 0
    ? `Every tick since ${minute(since)} ran once: ${count(ticks)} ticks of ${count(counted.length)} DAGs; what catchup=False skips is no gap.`
    : `${count(wrong)} of ${count(ticks)} ticks since ${minute(since)} did not run exactly once.`;
}

const { source, target, gap, double, skipped } = TICK_SIGNS;
const LEGEND = `${source} run on the source  ${target} on the target  ${gap} gap  ${double} double or wrong side  ${skipped} skipped`;

function missedLines({ missed, added = [] }: ContinuityResult, width: number): readonly string[] {
  if (missed === undefined) return [];
  const addable = missed.filter(({ reason }) => reason === undefined).flatMap(({ runs }) => runs);
  const failed = new Map(added.map((run) => [`${run.dagId} ${run.logicalDate}`, run.failed]));
  const lineOf = (dagId: string, logicalDate: string, owner: string): string => {
    const key = `${dagId} ${logicalDate}`;
    const became = !failed.has(key) ? "" : failed.get(key) === undefined ? ": added" : `: ${failed.get(key)}`;
    return wrap(`${printable(dagId)}  ${logicalDate} on the ${owner}${printable(became)}`, width, "    ");
  };
  return [
    "",
    missed.length === 0 ? "Nothing was missed at a switch." : "Missed while they were switched:",
    ...missed.flatMap(({ dagId, owner, runs, reason }) => [
      ...runs.map(({ logicalDate }) => lineOf(dagId, logicalDate, owner)),
      ...(reason === undefined ? [] : [wrap(`· ${printable(dagId)}: ${printable(reason)}`, width, "    ")]),
    ]),
    ...(addable.length > 0 && added.length === 0
      ? [`Nothing was added. Add ${count(addable.length)} of them: the same command with --yes`]
      : []),
  ];
}

function human(result: ContinuityResult, { width }: { readonly width: number }): string {
  const shown = result.dags.filter(({ ticks }) => ticks > 0);
  if (shown.length === 0)
    return [`No scheduled run since ${minute(result.since)} on either side.`, ...missedLines(result, width)].join("\n");
  const wrong = result.dags.filter((dag) => !dag.isContinuous);
  return [
    table(COLUMNS, shown.map(rowOf)),
    LEGEND,
    "",
    ...wrong.flatMap((dag) => deviationLines(dag, width)),
    ...notComputableLines(result.dags, width),
    sentence(result),
    ...missedLines(result, width),
  ].join("\n");
}

export const continuityView: View<ContinuityResult> = { human, json: (result) => result };
