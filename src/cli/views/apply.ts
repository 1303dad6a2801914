import type { Plan } from "../../domain/plan.ts";
import type { CopySummary } from "../../engine/copy/apply.ts";
import type { View } from "../command.ts";
import { leftBehind } from "./plan.ts";
import { bytes, count, duration, printable, table } from "./text.ts";

/** The run is left to workers. */
export interface DetachedResult {
  readonly state: "detached";
  readonly plan: Plan;
}

/** What the command `apply` gives back when the run came to its end. */
export interface ApplyResult {
  readonly state: "done";
  readonly plan: Plan;
  readonly summary: CopySummary;
  readonly seconds: number;
  /** True: an earlier apply of the same plan had done all of it. */
  readonly wasDone: boolean;
}

function rows({ plan, summary }: ApplyResult): readonly (readonly string[])[] {
  const copied = new Map(summary.entities.map((each) => [each.entity, each]));
  return plan.entities
    .filter((entity) => entity.sourceRows > 0)
    .map((entity) => {
      const left = leftBehind(entity);
      return [
        entity.title,
        count(copied.get(entity.entity)?.rows ?? 0),
        left.rows === 0 ? "–" : count(left.rows),
        left.reasons,
      ];
    });
}

function changedLines({ summary }: ApplyResult): readonly string[] {
  if (summary.changed.length === 0) return [];
  const lines = summary.changed.map(
    (each) =>
      `  · ${each.entity}.${each.field}: ${count(each.count)} ${each.kind} (for example ${printable(each.examples[0] ?? "")})`,
  );
  return [
    "Values that the target can not hold as they were (kept in another form, see docs/reference/changed-values.md):",
    ...lines,
    "",
  ];
}

function human(result: ApplyResult): string {
  const total = result.summary.entities.reduce(
    (sum, each) => ({ rows: sum.rows + each.rows, bytes: sum.bytes + each.bytes }),
    { rows: 0, bytes: 0 },
  );
  const speed = result.wasDone
    ? "This plan was applied before; nothing was done again."
    : `${count(total.rows)} rows, ${bytes(total.bytes)} in ${duration(result.seconds)}: ${count(Math.round(total.rows / Math.max(result.seconds, 0.001)))} rows a second. ${result.summary.indexesRebuilt} indexes and keys were rebuilt.`;
  return [
    table(
      [{ title: "" }, { title: "copied", align: "right" }, { title: "left behind", align: "right" }, { title: "" }],
      rows(result),
    ),
    "",
    ...changedLines(result),
    speed,
    "Every DAG is paused on the target until its cutover. Next: crosswind verify",
  ].join("\n");
}

function detached({ plan }: DetachedResult): string {
  return [
    `Run ${plan.id} waits for a worker: crosswind worker, on any machine with this state database.`,
    "How far it is: crosswind status --follow",
  ].join("\n");
}

/** What an apply did, for people and for programs. */
export const applyView: View<ApplyResult | DetachedResult> = {
  human: (result) => (result.state === "done" ? human(result) : detached(result)),
  json: (result) => {
    if (result.state === "detached") return { plan: result.plan.id, state: "waiting" };
    const { plan, summary, seconds, wasDone } = result;
    return { plan: plan.id, seconds, wasDone, ...summary };
  },
};
