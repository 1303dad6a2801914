import type { RemovedCopy } from "../../app/remove-copied.ts";
import type { View, World } from "../command.ts";
import { type CutoverResult, cutoverView } from "./cutover.ts";
import { count, table } from "./text.ts";

/** What the command `cancel` gives back. */
export interface CancelResult extends CutoverResult {
  /** Set where copied rows were to be removed. */
  readonly copy?: RemovedCopy;
}

const COLUMNS = [
  { title: "entity" },
  { title: "removed", align: "right" },
  { title: "kept: others refer to them", align: "right" },
] as const;

function copyLines({ entities, isRemoved }: RemovedCopy): readonly string[] {
  const removed = entities.reduce((sum, each) => sum + each.removed, 0);
  const rows = entities.map((each) => [each.entity, count(each.removed), each.kept === 0 ? "" : count(each.kept)]);
  return [
    ...(rows.length === 0 ? [] : [table(COLUMNS, rows), ""]),
    isRemoved
      ? `${count(removed)} copied rows were removed, and the ledger with them. Rows that the target has changed since are still there.`
      : `Nothing was removed. To remove these ${count(removed)} rows, which the target has not changed since: crosswind cancel --remove-copied --yes`,
  ];
}

function human(result: CancelResult, options: Pick<World, "isTerminal" | "width">): string {
  const { copy } = result;
  if (copy === undefined) return cutoverView.human(result, options);
  const switches = result.dags.length === 0 ? [] : [cutoverView.human(result, options), ""];
  return [...switches, ...copyLines(copy)].join("\n");
}

export const cancelView: View<CancelResult> = { human, json: (result) => result };
