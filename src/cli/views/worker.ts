import type { Worked, WorkerEvent } from "../../app/worker.ts";
import type { View, World } from "../command.ts";
import { showProblem } from "./problem.ts";
import { count } from "./text.ts";

function sentence(event: WorkerEvent, width: number): string {
  switch (event.kind) {
    case "waiting":
      return "waiting for a run of these environments";
    case "carrying":
      return `carrying run ${event.run}`;
    case "helping":
      return `taking part in run ${event.run}`;
    case "left":
      return `no more to do for run ${event.run}`;
    case "problem":
      return `${showProblem(event.problem, width)}\n  It is tried again.`;
    default:
      return event satisfies never;
  }
}

/** What a worker does, a line each; with `json` as NDJSON among its progress. */
export function showWorker(world: World, { json }: { readonly json: boolean }): (event: WorkerEvent) => void {
  return (event) => {
    const text = json
      ? JSON.stringify({ at: world.now().toISOString(), worker: event.kind, ...event })
      : sentence(event, world.width);
    world.err(`${text}\n`);
  };
}

/** What a worker has done, when it ends. */
export const workerView: View<Worked> = {
  human: ({ runs, chunks, rows }) =>
    `Took part in ${count(runs.length)} runs: ${count(chunks)} chunks, ${count(rows)} rows.`,
  json: (worked) => worked,
};
