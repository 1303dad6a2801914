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

/** What was done, as a page that needs nothing else: no script, nothing loaded. */
export function evidencePage(evidence: Evidence): string {
  const { source, target, airflow, verified, migration, switches, record, sourceUse } = evidence;
  const result = verified.differences === 0 ? "No differences" : `${count(verified.differences)} differences`;
  const accepted = evidence.accepted === undefined ? "" : `, accepted: ${evidence.accepted}`;
  const parts = [
    `<h1>Migration of ${escaped(source)} to ${escaped(target)}</h1>`,
    `<p>Airflow ${escaped(airflow.source)} to ${escaped(airflow.target)}; completed ${moment(evidence.at)} by ${escaped(evidence.who)}.</p>`,
    "<h2>Proof</h2>",
    `<p>${escaped(result + accepted)}; ${count(verified.rows)} rows compared in ${duration(verified.seconds)}.</p>`,
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
    "<h2>The source since</h2>",
    `<p>Its newest run: ${moment(sourceUse.lastRunAt)}. DAGs that are not paused: ${escaped(sourceUse.unpausedDags.join(", ") || "none")}.</p>`,
    table(
      ["in its audit log of the last 7 days", "events"],
      sourceUse.callers.map(({ who, events }) => [who, count(events)]),
    ),
  ];
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Migration of ${escaped(source)}</title><style>${STYLE}</style>${parts.join("\n")}</html>\n`;
}
