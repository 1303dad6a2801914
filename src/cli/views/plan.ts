import type { Plan, PlannedEntity, PlannedSide } from "../../domain/plan.ts";
import type { View } from "../command.ts";
import { countFindings, showFinding } from "./findings.ts";
import { bytes, count, duration, printable, table } from "./text.ts";

/** What the command `plan` gives back. */
export interface PlanResult {
  readonly plan: Plan;
  readonly file: string;
  /** Print the notes, too. */
  readonly showAll: boolean;
}

const NONE = "–";

function dash(value: number): string {
  return value === 0 ? NONE : count(value);
}

/** How many rows stay behind in all, and why: with numbers where there are several reasons. */
export function leftBehind({ leftBehind: parts }: PlannedEntity): { readonly rows: number; readonly reasons: string } {
  const rows = parts.reduce((sum, each) => sum + each.rows, 0);
  const reasons = parts.map((each) => (parts.length === 1 ? each.reason : `${count(each.rows)} ${each.reason}`));
  return { rows, reasons: reasons.join("; ") };
}

function sideLine(name: string, side: PlannedSide): string {
  const server = /^\d/.test(side.server) ? `PostgreSQL ${side.server}` : side.server;
  return `${name}  ${printable(side.label)}  Airflow ${side.airflow} · ${server} · ${bytes(side.sizeBytes)}`;
}

function entityRow(entity: PlannedEntity): readonly string[] {
  const left = leftBehind(entity);
  return [
    entity.title,
    count(entity.sourceRows),
    dash(entity.toCopy),
    dash(entity.alreadyThere),
    dash(entity.translated),
    dash(left.rows),
    left.reasons,
  ];
}

const COLUMNS = [
  { title: "" },
  { title: "source", align: "right" },
  { title: "to copy", align: "right" },
  { title: "there", align: "right" },
  { title: "translated", align: "right" },
  { title: "stays behind", align: "right" },
  { title: "" },
] as const;

function human({ plan, file, showAll }: PlanResult, { width }: { width: number }): string {
  const shown = plan.entities.filter((entity) => entity.sourceRows > 0);
  const findings = plan.findings.filter((finding) => showAll || finding.severity !== "note");
  const blockers = plan.findings.filter((finding) => finding.severity === "blocker").length;
  const [low, high] = plan.estimate.seconds;
  const notes =
    plan.findings.some((finding) => finding.severity === "note") && !showAll ? " (crosswind plan --show findings)" : "";
  return [
    sideLine("Source", plan.source),
    sideLine("Target", plan.target),
    "",
    table(COLUMNS, shown.map(entityRow)),
    "",
    `${countFindings(plan.findings)}${notes}`,
    ...findings.map((finding) => showFinding(finding, width)),
    "",
    `${count(plan.estimate.rows)} rows, about ${bytes(plan.estimate.bytes)}, ${low === high ? duration(low) : `${duration(low)} to ${duration(high)}`}. Nothing has been changed.`,
    blockers > 0
      ? `Blocked. Saved to ${file}; mend what blocks and plan again.`
      : `Saved to ${file}. Next: crosswind apply ${file}`,
  ].join("\n");
}

/** The plan for people and for programs. */
export const planView: View<PlanResult> = {
  human,
  json: ({ plan, file }) => ({ file, plan }),
};
