import type { ShownStatus } from "../../app/status.ts";
import type { RunStatus } from "../../engine/copy/read-status.ts";
import type { View } from "../command.ts";
import { bytes, count, printable, table } from "./text.ts";

function at(time: string | null): string {
  return time === null ? "–" : `${time.slice(0, 19).replace("T", " ")} UTC`;
}

function runLine(run: RunStatus): readonly string[] {
  const state = run.finishedAt === null ? "unfinished" : "done";
  return [
    run.id.slice(0, 8),
    run.kind === "sync" ? "delta" : "copy",
    state,
    at(run.startedAt),
    at(run.finishedAt ?? run.lastChunkAt),
    count(run.rows),
    bytes(run.bytes),
    count(run.leftOutRuns),
  ];
}

const MOST_NAMES = 10;

/** `3 live: a, b, c`, a line for each state. */
function switchLines({ switches }: ShownStatus): readonly string[] {
  const byState = Map.groupBy(switches, ({ state }) => state);
  const lines = [...byState].map(([state, dags]) => {
    const names = dags.slice(0, MOST_NAMES).map(({ dagId }) => printable(dagId));
    const more = dags.length > MOST_NAMES ? ", …" : "";
    return `  ${count(dags.length)} ${state}: ${names.join(", ")}${more}`;
  });
  return lines.length === 0 ? [] : ["DAGs:", ...lines, ""];
}

function horizonLines({ heldHorizon }: ShownStatus): readonly string[] {
  if (heldHorizon === undefined) return [];
  const minutes = Math.floor(heldHorizon.seconds / 60);
  const since = minutes === 0 ? `${heldHorizon.seconds} s` : `${minutes} min`;
  return [
    `The read snapshot on the source is ${since} old (${count(heldHorizon.transactions)} transactions): its server can not remove what was deleted since.`,
  ];
}

function human(status: ShownStatus): string {
  const [newest] = status.runs;
  if (newest === undefined) return "Nothing was copied to this target yet. Next: crosswind plan";
  const right = "right" as const;
  const columns = [
    { title: "run" },
    { title: "" },
    { title: "state" },
    { title: "begun" },
    { title: "last written" },
    { title: "rows", align: right },
    { title: "size", align: right },
    { title: "runs left out", align: right },
  ];
  const entities = newest.entities.map((each) => [each.entity, count(each.rows), count(each.chunks)]);
  return [
    table(columns, status.runs.map(runLine)),
    "",
    table([{ title: "entity" }, { title: "rows", align: right }, { title: "chunks", align: right }], entities),
    "",
    ...switchLines(status),
    ...horizonLines(status),
    ...(status.takenOff.length === 0
      ? []
      : [`${status.takenOff.length} indexes and keys are off: the next apply of the run's plan puts them back.`]),
    newest.finishedAt === null
      ? "The newest run has not come to its end. Next: crosswind apply with its plan goes on."
      : "Next: crosswind verify",
  ].join("\n");
}

/** The migration's state, for people and for programs. */
export const statusView: View<ShownStatus> = { human, json: (status) => status };
