import type { Finding, Severity } from "../../domain/finding.ts";
import { printable, wrap } from "./text.ts";

const MARKS: Readonly<Record<Severity, string>> = { blocker: "✗", warning: "!", note: "·" };

/** A finding for people: what it is, then what to do, indented below. */
export function showFinding(finding: Finding, width: number): string {
  const head = `  ${MARKS[finding.severity]} ${finding.code.padEnd(24)} `;
  const what = wrap(printable(finding.what), width, " ".repeat(6)).trimStart();
  const next = finding.next.map((each, index) =>
    wrap(`${index === 0 ? "next: " : "      "}${printable(each)}`, width, " ".repeat(6)),
  );
  return [`${head}${what}`, ...next].join("\n");
}

/** How many of each kind: `2 findings block, 1 warning, 14 notes`. */
export function countFindings(findings: readonly Finding[]): string {
  const of = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const parts = [
    of("blocker") === 0
      ? "nothing blocks"
      : `${of("blocker")} ${of("blocker") === 1 ? "finding blocks" : "findings block"}`,
    `${of("warning")} warnings`,
    `${of("note")} notes`,
  ];
  return parts.join(", ");
}
