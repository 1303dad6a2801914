import type { ProblemReport } from "../../domain/problem.ts";
import { printable, wrap } from "./text.ts";

const INDENT = " ".repeat(10);

/** A problem for people: what happened, what is safe, what to do next. */
export function showProblem(problem: ProblemReport, width: number): string {
  const paragraph = (label: string, text: string) =>
    `  ${label.padEnd(8)}${wrap(printable(text), width, INDENT).trimStart()}`;
  return [
    wrap(`✗ ${problem.code}  ${printable(problem.what)}`, width, "  ").trimStart(),
    paragraph("Safe", problem.safe),
    ...problem.next.map((each, index) => paragraph(index === 0 ? "Next" : "", each)),
  ].join("\n");
}

/** SQLSTATE classes whose messages name tables, columns and statements, never values. Source: PostgreSQL manual, appendix A. */
const WITHOUT_VALUES = /^(08|0A|25|3D|3F|40|42|53|55|57|58|XX)/;

/** What an unexpected error may say of itself: others quote what they stumbled over, which may be a secret. */
function safeMessage(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !WITHOUT_VALUES.test(code)) return `SQLSTATE ${code}`;
  const isQuoting = error instanceof SyntaxError || error instanceof RangeError || error instanceof URIError;
  return isQuoting ? error.name : (error.message.split("\n")[0] ?? "");
}

/** Anything else is ours. The stack names our files; the message is shown where it can not quote a value. */
export function showBug(error: unknown, version: string): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frames = stack
    .split("\n")
    .filter((line) => line.trimStart().startsWith("at "))
    .slice(0, 8);
  const message = safeMessage(error);
  return [
    `✗ This is a bug in airflow-crosswind ${version}: ${printable(message)}`,
    ...frames,
    "  Safe    chunks are written as a whole or not at all; `crosswind status` shows what is on the target.",
    "  Next    please report it with the lines above; they hold no values of your databases.",
  ].join("\n");
}
