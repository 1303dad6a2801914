import type { ShownRun } from "../../app/runs.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { View } from "../command.ts";
import { showProblem } from "./problem.ts";
import { printable, table } from "./text.ts";

function at(time: string | null): string {
  return time === null ? "–" : `${time.slice(0, 19).replace("T", " ")} UTC`;
}

/** What is asked of it counts as its state for people: a paused run is not running. */
function stateOf({ state, wanted, problem }: RunRecord): string {
  if (wanted === "pause" && state !== "done" && state !== "cancelled") return `paused (${state})`;
  return problem === null ? state : `${state}: ${problem.code}`;
}

function where({ executors }: RunRecord): string {
  const living = executors.filter(({ isAlive }) => isAlive);
  return living.length === 0 ? "–" : living.map(({ host, pid, role }) => `${host} ${pid} ${role}`).join(", ");
}

const COLUMNS = [{ title: "run" }, { title: "state" }, { title: "begun" }, { title: "ended" }, { title: "by" }];

function row(run: RunRecord): readonly string[] {
  return [run.id.slice(0, 8), stateOf(run), at(run.begunAt), at(run.endedAt), printable(`${run.who}@${run.host}`)];
}

/** Without the plan, which names DAGs and objects, and is long. */
function brief({ plan, ...run }: RunRecord) {
  return { ...run, source: plan.source.label, target: plan.target.label };
}

/** Runs, newest first. */
export const runsView: View<readonly RunRecord[]> = {
  human: (runs) => {
    if (runs.length === 0) return "No run is known here yet. Next: crosswind apply";
    return table(
      [...COLUMNS, { title: "from" }, { title: "to" }, { title: "worked on by" }],
      runs.map((run) => [...row(run), printable(run.plan.source.label), printable(run.plan.target.label), where(run)]),
    );
  },
  json: (runs) => ({ runs: runs.map(brief) }),
};

function human({ run, audit }: ShownRun, width: number): string {
  const trail = audit.map((each) => [at(each.at), printable(`${each.who}@${each.host}`), each.what]);
  return [
    table(COLUMNS, [row(run)]),
    "",
    `From ${printable(run.plan.source.label)} to ${printable(run.plan.target.label)}, crosswind ${run.version}. Worked on by: ${where(run)}`,
    "",
    table([{ title: "when" }, { title: "who" }, { title: "what" }], trail),
    ...(run.problem === null ? [] : ["", showProblem(run.problem, width)]),
  ].join("\n");
}

/** A run, with who did what. */
export const runView: View<ShownRun> = {
  human: (shown, { width }) => human(shown, width),
  json: ({ run, audit }) => ({ run: brief(run), audit }),
};
