import type { Finding } from "../../domain/finding.ts";
import type { SyncedEntity, SyncSummary } from "../../engine/sync/sync.ts";
import type { View } from "../command.ts";
import { count, duration, printable, table, wrap } from "./text.ts";

/** What the command `sync` gives back. */
export interface SyncResult extends SyncSummary {
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

const MOST_SHOWN = 5;

function entityTable(synced: readonly SyncedEntity[]): string {
  const shown = synced.filter((each) => each.inserted + each.updated > 0);
  if (shown.length === 0) return "No row is new or changed.";
  const right = { align: "right" } as const;
  return table(
    [{ title: "" }, { title: "new", ...right }, { title: "changed", ...right }, { title: "looked at", ...right }],
    shown.map((each) => [each.title, count(each.inserted), count(each.updated), count(each.read)]),
  );
}

function some(names: readonly string[]): string {
  const more = names.length > MOST_SHOWN ? ` and ${count(names.length - MOST_SHOWN)} more` : "";
  return `${names.slice(0, MOST_SHOWN).map(printable).join(", ")}${more}`;
}

function reachLines(result: SyncResult): readonly string[] {
  const { arrivedRuns, arrivedDags, reopenedRuns, openRuns, liveOnTarget } = result;
  const reopened = reopenedRuns.map((run) => `${run.dag_id} ${run.run_id}`);
  return [
    ...(arrivedRuns > 0
      ? [`${count(arrivedRuns)} DAG runs that were left out have ended since and are complete now.`]
      : []),
    ...(arrivedDags.length > 0 ? [`Selected since: ${some(arrivedDags)}.`] : []),
    ...(reopened.length > 0
      ? [`Open again on the source, as they were on the target until they end: ${some(reopened)}.`]
      : []),
    ...(openRuns > 0
      ? [`${count(openRuns)} DAG runs are not finished: they come with a later delta, or with the cutover.`]
      : []),
    ...(liveOnTarget.length > 0 ? [`Live on the target, left alone: ${some(liveOnTarget)}.`] : []),
  ];
}

function deletedLines({ deleted }: SyncResult): readonly string[] {
  const kept = deleted.filter((each) => !each.isCarried);
  const lines = deleted.map(
    ({ title, dag, rows, isCarried }) =>
      `  ${title}${dag === null ? "" : ` of ${printable(dag)}`}: ${count(rows)} ${isCarried ? "deleted" : "kept"}`,
  );
  const next = kept.length > 0 ? ["  (delete them there, too: crosswind sync --deletions carry)"] : [];
  return lines.length === 0 ? [] : ["No longer on the source:", ...lines, ...next];
}

function human(result: SyncResult, { width }: { readonly width: number }): string {
  const read = result.entities.reduce((sum, each) => sum + each.read, 0);
  return [
    entityTable(result.entities),
    "",
    ...reachLines(result).map((line) => wrap(line, width, "")),
    ...deletedLines(result),
    ...result.findings.map(({ code, what }) => wrap(`! ${code}  ${printable(what)}`, width, "")),
    `${count(read)} rows looked at in ${duration(result.seconds)}, changed since ${result.base.at}.`,
    "Next: crosswind verify",
  ].join("\n");
}

export const syncView: View<SyncResult> = { human, json: (result) => result };
