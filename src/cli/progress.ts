import cliProgress from "cli-progress";
import type { Plan } from "../domain/plan.ts";
import type { Phase, RunEvent } from "../domain/run-event.ts";
import type { World } from "./command.ts";
import { bytes, count, duration } from "./views/text.ts";

/** Shows the events of a run while it goes on. */
export interface Progress {
  readonly take: (event: RunEvent) => void;
  /** Ends the display; what was drawn stays. */
  readonly stop: () => void;
}

const PHASES: Readonly<Record<Phase, string>> = {
  landing: "landing in staging",
  prepare: "comparing types, preparing the target",
  objects: "copying connections, variables, pools and DAGs",
  history: "copying history",
  indexes: "rebuilding indexes and keys",
  finish: "comparing definitions, gathering statistics",
  upload: "writing the rows to the target",
};

/** One JSON document a line on standard error, as they happen; bytes are left out, chunks carry them. */
function ndjson(world: World): Progress {
  return {
    take: (event) => {
      if (event.kind !== "bytes" && event.kind !== "landing")
        world.err(`${JSON.stringify({ at: world.now().toISOString(), ...event })}\n`);
    },
    stop: () => {},
  };
}

/** The event as a sentence; empty for events that say nothing to a person. */
function sentence(event: RunEvent): string {
  switch (event.kind) {
    case "phase":
      return PHASES[event.phase];
    case "resumed":
      return `going on where an earlier run stopped: ${count(event.chunksThere)} chunks are there`;
    case "landed":
      return event.isChanged && event.rows > 0 ? `${event.table}: ${count(event.rows)} rows landed` : "";
    case "chunk":
      return event.isNew
        ? `${event.entity} ${event.chunk}: ${count(event.rows)} rows, ${bytes(event.bytes)}`
        : `${event.entity} ${event.chunk}: already there`;
    case "taken-off":
      return event.names === 0 ? "indexes and keys stay on while loading" : `${event.names} indexes and keys taken off`;
    case "changed":
      return `${event.entity}.${event.field}: ${count(event.count)} ${event.change}`;
    case "snapshot-renewed":
      return `${event.reason ?? "the read snapshot of the source is as old as it may be"}: going on with a new one`;
    case "paused":
      return event.isPaused ? "paused: nothing new is begun until `crosswind runs resume`" : "resumed";
    case "following":
      return `${event.by} carries this run: showing how far it is`;
    case "restored":
      return `rebuilt ${event.name}`;
    case "uploaded":
      return event.isNew ? `${event.chunk}: ${count(event.rows)} rows written` : `${event.chunk}: already there`;
    case "verified":
      return `${event.entity}: ${count(event.rows)} rows compared`;
    case "landing":
    case "planned":
    case "bytes":
      return "";
    default:
      return event satisfies never;
  }
}

/** A line per event, for logs. */
function lines(world: World): Progress {
  const start = world.now().getTime();
  return {
    take: (event) => {
      const text = sentence(event);
      const seconds = ((world.now().getTime() - start) / 1000).toFixed(1);
      if (text !== "") world.err(`${seconds.padStart(7)} s  ${text}\n`);
    },
    stop: () => {},
  };
}

interface Tally {
  rows: number;
  bytes: number;
  bar: cliProgress.SingleBar | undefined;
  readonly total: number;
}

/** Events that are told above the bars. */
const TOLD_BESIDE_BARS: ReadonlySet<RunEvent["kind"]> = new Set([
  "resumed",
  "taken-off",
  "snapshot-renewed",
  "paused",
  "following",
]);

/** One bar for everything, and one for each entity that is being copied. */
function bars(world: World, plan: Plan): Progress {
  const multi = new cliProgress.MultiBar({
    format: "{name} {bar} {percentage}%  {value}/{total} rows  {speed}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 28,
    hideCursor: true,
    clearOnComplete: false,
    gracefulExit: false,
    autopadding: true,
    stream: process.stderr,
  });
  const start = world.now().getTime();
  const name = (text: string) => text.padEnd(30);
  const totals = new Map<string, Tally>(
    plan.entities.map((each) => [each.entity, { rows: 0, bytes: 0, bar: undefined, total: each.toCopy }]),
  );
  const titles = new Map(plan.entities.map((each) => [each.entity, each.title]));
  const all = multi.create(Math.max(plan.estimate.rows, 1), 0, { name: name("starting"), speed: "" });
  let done = 0;
  const speed = () => {
    const seconds = (world.now().getTime() - start) / 1000;
    const rate = done / Math.max(seconds, 0.1);
    const left = rate === 0 ? "" : `, about ${duration(Math.max(plan.estimate.rows - done, 0) / rate)} left`;
    return `${count(Math.round(rate))}/s${left}`;
  };
  const take = (event: RunEvent) => {
    if (event.kind === "phase") all.update({ name: name(PHASES[event.phase].slice(0, 30)), speed: speed() });
    if (TOLD_BESIDE_BARS.has(event.kind)) multi.log(`${sentence(event)}\n`);
    if (event.kind !== "chunk" && event.kind !== "bytes") return;
    const tally = totals.get(event.entity);
    if (tally === undefined || tally.total === 0) return;
    tally.bar ??= multi.create(tally.total, 0, { name: name(titles.get(event.entity) ?? event.entity), speed: "" });
    if (event.kind === "bytes") tally.bytes += event.bytes;
    else {
      tally.rows += event.rows;
      done += event.rows;
      all.update(Math.min(done, plan.estimate.rows), { speed: speed() });
    }
    tally.bar.update(Math.min(tally.rows, tally.total), { speed: bytes(tally.bytes) });
  };
  return { take, stop: () => multi.stop() };
}

/** The display that fits: bars on a terminal, NDJSON with `--json`, else a line per event. */
export function showProgress(world: World, options: { readonly json: boolean; readonly plan?: Plan }): Progress {
  if (options.json) return ndjson(world);
  return world.isTerminal && options.plan !== undefined ? bars(world, options.plan) : lines(world);
}
