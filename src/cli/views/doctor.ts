import type { Check, CheckSide, CheckStatus, DoctorReport } from "../../engine/doctor/check.ts";
import type { View } from "../command.ts";
import { printable, wrap } from "./text.ts";

const MARKS: Readonly<Record<CheckStatus, string>> = { ok: "✓", note: "·", warning: "!", blocker: "✗" };
const GROUPS: readonly (readonly [CheckSide, string])[] = [
  ["source", "Source"],
  ["target", "Target"],
  ["both", "Both"],
  ["state", "State"],
];
const TITLE_WIDTH = 24;

function showCheck({ status, title, detail, next }: Check, width: number): string {
  const indent = " ".repeat(TITLE_WIDTH + 5);
  const text = wrap(printable(detail), width, indent).trimStart();
  // Statements are not broken into lines: they are there to be pasted.
  const fixes = (next ?? []).map((each, index) => `      ${index === 0 ? "next: " : "      "}${printable(each)}`);
  return [`  ${MARKS[status]} ${title.padEnd(TITLE_WIDTH)} ${text}`, ...fixes].join("\n");
}

function sentence(checks: readonly Check[]): string {
  const of = (status: CheckStatus) => checks.filter((check) => check.status === status).length;
  const amount = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const counts = `${amount(of("blocker"), "blocker")}, ${amount(of("warning"), "warning")}, ${amount(of("note"), "note")}.`;
  const next = of("blocker") === 0 ? "Next: crosswind plan" : "Mend what is marked ✗, then run crosswind doctor again.";
  return `${counts} Nothing has been changed on either side. ${next}`;
}

/** The checks by side, each with what to do below it. */
export const doctorView: View<DoctorReport> = {
  human: ({ checks }, { width }) => {
    const groups = GROUPS.flatMap(([side, title]) => {
      const own = checks.filter((check) => check.side === side);
      return own.length === 0 ? [] : [[title, ...own.map((check) => showCheck(check, width))].join("\n")];
    });
    return [...groups, sentence(checks)].join("\n\n");
  },
  json: (report) => report,
};
