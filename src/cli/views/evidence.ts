import type { Selection } from "../../domain/selection.ts";
import type { Evidence } from "../../engine/complete/evidence.ts";
import { bytes, count, duration } from "./text.ts";

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<table>${line(head, "th")}${rows.map((row) => line(row, "td")).join("")}</table>`;
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd;vertical-align:top}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}`;

function moment(at: string | null): string {
  return at === null ? "" : `${at.slice(0, 19).replace("T", " ")} UTC`;
}

function describePlanned({ dags, entities, history, without }: Selection): string {
  const { kind } = history;
  const runs =
    kind === "all"
      ? "all history"
      : kind === "days"
        ? `${history.days} days of history`
        : `the newest ${history.runs} runs of each`;
  const left = without.length === 0 ? "" : `; left out by name: ${without.join(", ")}`;
  return `DAGs ${dags.join(" ")}; entities ${entities.join(" ")}; ${runs}${left}.`;
}

/** What was done, as a page that needs nothing else: no script, nothing loaded. */
export function evidencePage(evidence: Evidence): string {
  const { source, target, airflow, verified, migration, switches, record, planned, changedValues } = evidence;
  const result = verified.differences === 0 ? "No differences" : `${count(verified.differences)} differences`;
  const accepted = evidence.accepted === undefined ? "" : `, accepted: ${evidence.accepted}`;
  const parts = [
    `<h1>Migration of ${escaped(source)} to ${escaped(target)}</h1>`,
    `<p>Airflow ${escaped(airflow.source)} to ${escaped(airflow.target)}; completed ${moment(evidence.at)} by ${escaped(evidence.who)}.</p>`,
    "<h2>Proof</h2>",
    `<p>${escaped(result + accepted)}; ${count(verified.rows)} rows compared in ${duration(verified.seconds)}.</p>`,
    "<h2>Planned</h2>",
    `<p>${escaped(describePlanned(planned))}</p>`,
    "<h2>Values in another form</h2>",
    table(
      ["entity", "column", "why", "values"],
      changedValues.map(({ entity, field, reason, count: values }) => [entity, field, reason, count(values)]),
    ),
    "<h2>Copies and deltas</h2>",
    table(
      ["begun", "ended", "rows", "data"],
      migration.runs.map((run) => [moment(run.startedAt), moment(run.finishedAt), count(run.rows), bytes(run.bytes)]),
    ),
    "<h2>DAGs</h2>",
    table(
      ["DAG", "state", "paused on both sides", "live since"],
      switches.map(({ dagId, state, pausedAt, liveAt }) => [
        dagId,
        state,
        pausedAt === undefined || liveAt === undefined
          ? ""
          : duration((Date.parse(liveAt) - Date.parse(pausedAt)) / 1000),
        moment(liveAt ?? null),
      ]),
    ),
    "<h2>Record</h2>",
    table(
      ["when", "who", "DAG", "what"],
      record.map(({ at, who, dagId, what }) => [moment(at), who, dagId, what]),
    ),
    "<h2>Before the source is switched off</h2>",
    table(
      ["", "", "to do"],
      evidence.decommission.map(({ isMet, what, next }) => [
        isMet === undefined ? "for people" : isMet ? "done" : "not yet",
        what,
        isMet === true ? "" : (next ?? ""),
      ]),
    ),
  ];
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Migration of ${escaped(source)}</title><style>${STYLE}</style>${parts.join("\n")}</html>\n`;
}
