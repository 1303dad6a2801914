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

/** Anything else is ours. The stack names our files; the message may quote the database and is cut to its first line. */
export function showBug(error: unknown, version: string): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const frames = stack
    .split("\n")
    .filter((line) => line.trimStart().startsWith("at "))
    .slice(0, 8);
  const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
  return [
    `✗ This is a bug in airflow-crosswind ${version}: ${printable(message)}`,
    ...frames,
    "  Safe    chunks are written as a whole or not at all; `crosswind status` shows what is on the target.",
    "  Next    please report it with the lines above; they hold no values of your databases beyond the first line.",
  ].join("\n");
}
