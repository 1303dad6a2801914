import {
  allDiffering,
  type ColumnDifference,
  differing,
  isEqual,
  type RowDifference,
  type VerifiedEntity,
  type VerifyReport,
} from "../../engine/verify/report.ts";
import type { View } from "../command.ts";
import { count, duration, printable, wrap } from "./text.ts";

/** What the command `verify` gives back. */
export interface VerifyResult {
  readonly report: VerifyReport;
  /** Say why columns are ignored. */
  readonly explain: boolean;
}

const VALUE_WIDTH = 80;
/** Of what both values have in common before they differ. */
const CONTEXT_WIDTH = 20;
const MOST_NAMES = 6;

/** Where two values part. */
function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** A value on one line: the stretch around the difference, quoted where blanks would be lost. */
function excerpt(value: string | null, from: number): string {
  if (value === null) return "NULL";
  const start = value.length <= VALUE_WIDTH ? 0 : Math.max(0, from - CONTEXT_WIDTH);
  const end = start + VALUE_WIDTH;
  const text = printable(`${start > 0 ? "…" : ""}${value.slice(start, end)}${end < value.length ? "…" : ""}`);
  return value === "" || value === "NULL" || value.trim() !== value ? `"${text}"` : text;
}

function columnLine({ column, source, target }: ColumnDifference, width: number): string {
  const from = firstDifference(source ?? "", target ?? "");
  const [ours, theirs] = [excerpt(source, from), excerpt(target, from)];
  const name = `    ${column.padEnd(width)}   `;
  const line = `${name}source ${ours}   target ${theirs}`;
  return line.length <= VALUE_WIDTH + 20 ? line : `${name}source ${ours}\n${" ".repeat(name.length)}target ${theirs}`;
}

const KINDS: Readonly<Record<RowDifference["kind"], string>> = {
  different: "",
  missing: "   missing on the target",
  unexpected: "   only on the target",
};

function rowLines({ kind, label, columns }: RowDifference): readonly string[] {
  const width = Math.max(0, ...columns.map((each) => each.column.length));
  return [`  ${printable(label)}${KINDS[kind]}`, ...columns.map((each) => columnLine(each, width))];
}

function entityLine(entity: VerifiedEntity, widths: { title: number; count: number }): string {
  const parts = [
    `${count(entity.equal).padStart(widths.count)} equal`,
    ...(entity.different === 0 ? [] : [`${count(entity.different)} different`]),
    ...(entity.missing === 0 ? [] : [`${count(entity.missing)} missing on the target`]),
    ...(entity.unexpected === 0 ? [] : [`${count(entity.unexpected)} only on the target`]),
  ];
  const how = entity.decrypted ? " (compared after decryption)" : "";
  return `${entity.title.padEnd(widths.title)}  ${parts.join(", ")}${how}`;
}

function entityLines(report: VerifyReport): readonly string[] {
  const shown = report.entities.filter((each) => each.sourceRows + each.targetRows > 0);
  const widths = {
    title: Math.max(0, ...shown.map((each) => each.title.length)),
    count: Math.max(0, ...shown.map((each) => count(each.equal).length)),
  };
  return shown.flatMap((entity) => {
    const told = report.differences.filter((each) => each.entity === entity.entity);
    const more = differing(entity) - told.length;
    return [
      entityLine(entity, widths),
      ...told.flatMap(rowLines),
      ...(more > 0 ? [`  … and ${count(more)} more`] : []),
    ];
  });
}

function ignoredLines({ report, explain }: VerifyResult, width: number): readonly string[] {
  const names = report.entities.flatMap((entity) => entity.ignored.map((each) => `${entity.entity}.${each.column}`));
  if (names.length === 0) return [];
  if (!explain) {
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
    const list = names.slice(0, MOST_NAMES).join(", ");
    return [wrap(`Ignored by design: ${list}${more} (why: crosswind verify --explain)`, width, "")];
  }
  const byReason = report.entities.flatMap((entity) => {
    const columns = Map.groupBy(entity.ignored, (each) => each.reason);
    return [...columns].map(([reason, of]) => ({
      names: of.map((each) => each.column).join(", "),
      reason,
      entity: entity.entity,
    }));
  });
  return [
    "Ignored by design:",
    ...byReason.map((each) => wrap(`${each.entity}: ${each.names}: ${each.reason}`, width, "  ")),
  ];
}

function summary(report: VerifyReport): string {
  const all = allDiffering(report);
  const found = isEqual(report) ? "No differences." : `${count(all)} ${all === 1 ? "difference" : "differences"}.`;
  const { sample } = report;
  const share =
    sample === undefined
      ? ""
      : ` (of history ${sample.buckets} of ${sample.of} groups of keys: ${Math.round((100 * sample.buckets) / sample.of)} %)`;
  const from = report.resumedFrom === undefined ? "" : `, some of it read since ${report.resumedFrom}`;
  return `${found} ${count(report.rows)} rows compared${share} in ${duration(report.seconds)}${from}.`;
}

function repairedLines({ repaired }: VerifyReport): readonly string[] {
  if (repaired === undefined) return [];
  const lines = repaired.map(({ title, inserted, updated, deleted, refused }) => {
    const written = [
      ...(inserted === 0 ? [] : [`${count(inserted)} added`]),
      ...(updated === 0 ? [] : [`${count(updated)} changed`]),
      ...(deleted === 0 ? [] : [`${count(deleted)} deleted`]),
      ...(refused === undefined ? [] : [`refused: ${printable(refused)}`]),
    ];
    return `  ${title}: ${written.length === 0 ? "nothing to write" : written.join(", ")}`;
  });
  return ["Repaired, and compared again:", ...lines];
}

/** What a repair could not do, and whose hand it takes. */
function remainingLines({ entities, repaired }: VerifyReport, width: number): readonly string[] {
  const onlyThere = entities.reduce((sum, each) => sum + each.unexpected, 0);
  if (repaired === undefined || onlyThere === 0) return [];
  const text = `${count(onlyThere)} copied rows are only on the target and were kept. To delete them: crosswind verify --repair --deletions carry`;
  return [wrap(text, width, "")];
}

function liveLines({ live }: VerifyReport, width: number): readonly string[] {
  if (live === undefined) return [];
  const sum = (of: (entity: VerifiedEntity) => number) => count(live.entities.reduce((all, each) => all + of(each), 0));
  const dags = `${count(live.dags.length)} ${live.dags.length === 1 ? "DAG is" : "DAGs are"} live on the target`;
  const text = `${dags}: compared, not repaired, and no difference counts: ${sum((each) => each.equal)} rows equal, ${sum(differing)} not.`;
  return [wrap(text, width, "")];
}

function human(result: VerifyResult, { width }: { readonly width: number }): string {
  const { report } = result;
  const left =
    report.leftOutRuns === 0
      ? []
      : [`${count(report.leftOutRuns)} DAG runs were left out because they are not finished: not compared.`];
  return [
    ...entityLines(report),
    ...repairedLines(report),
    ...remainingLines(report, width),
    ...liveLines(report, width),
    ...left,
    ...ignoredLines(result, width),
    summary(report),
  ].join("\n");
}

/** The comparison for people, values cut; for programs it is complete. */
export const verifyView: View<VerifyResult> = { human, json: ({ report }) => report };
