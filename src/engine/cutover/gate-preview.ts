import { parseMicros } from "../../airflow/timetables/micros.ts";
import type { Schedule } from "../../airflow/timetables/read-schedule.ts";
import { underSwitches } from "../../airflow/timetables/read-timetable.ts";
import { effectiveSwitches, type Switches } from "../../airflow/timetables/rules.ts";
import { tickChain } from "../../airflow/timetables/ticks.ts";
import type { DataInterval, Timetable } from "../../airflow/timetables/timetable.ts";
import type { Release } from "../../domain/release.ts";
import type { Instant, NextRun } from "../../ports/control.ts";
import type { Session } from "../../ports/database.ts";
import type { SideName } from "./automated-run.ts";
import type { ReadSide } from "./gate-side.ts";
import { type Prediction, type Preview, type PreviewInput, previewDag, type ToldRun } from "./preview.ts";
import { readNewestAutomated } from "./read-automated-runs.ts";

/** What a DAG will run next on the target. */
export interface DagPreview {
  readonly dagId: string;
  /** Undefined where neither side has a schedule of it that can be read. */
  readonly preview: Preview | undefined;
  /** The one of both predictions that holds with the target's interval switches; undefined where these are not known, and it makes a difference. */
  readonly chosen: Prediction | undefined;
}

type Sides = Readonly<Record<SideName, ReadSide>>;

/**
 * The schedule of a DAG on the source. One that serialises no DAGs (1.10 by default) has the same DAG file as the target: what it makes of what the
 * target parsed.
 */
export function scheduleBefore({ source, target }: Sides, dagId: string): Schedule | undefined {
  const own = source.inCode.get(dagId)?.schedule;
  const there = target.inCode.get(dagId)?.schedule;
  if (own !== undefined || there === undefined || !source.states.has(dagId)) return own;
  const switches = effectiveSwitches(source.control.release, source.switches);
  return { ...there, timetable: underSwitches(there.timetable, switches) };
}

/** Previews a DAG from what both sides have now. */
export async function previewForGate(sides: Sides, dagId: string, now: () => Date): Promise<DagPreview> {
  const { source, target } = sides;
  const schedule = scheduleBefore(sides, dagId);
  if (schedule === undefined) return { dagId, preview: undefined, chosen: undefined };
  const parts = {
    dagId,
    timetable: schedule.timetable,
    // What the target has parsed decides there; a difference between both is a condition of its own.
    restriction: target.inCode.get(dagId)?.schedule.restriction ?? schedule.restriction,
    source: source.control.release,
    target: target.control.release,
  };
  let preview = await previewNow(sides, parts, now);
  // A run that the source made between two readings looks like one in the way: then both are read again.
  if (preview.predictions.some(({ verdict }) => verdict === "id-collision")) {
    preview = await previewNow(sides, parts, now);
  }
  return { dagId, preview, chosen: await choose(sides, parts, { preview, now }) };
}

type Parts = Pick<PreviewInput, "dagId" | "timetable" | "restriction" | "source" | "target">;

async function previewNow({ source, target }: Sides, parts: Parts, now: () => Date): Promise<Preview> {
  const newest = await newestInterval(source, parts, "source");
  const at = { ...parts, newest, now: now().getTime() * 1000 };
  const { predictions } = previewDag({ ...at, hasRunId: () => false });
  const ids = predictions.flatMap(({ runId }) => (runId === null ? [] : [runId]));
  const taken = new Set<string>();
  for (const { session } of [source, target]) {
    for (const id of await takenIds(session, parts.dagId, ids)) taken.add(id);
  }
  return previewDag({ ...at, hasRunId: (id) => taken.has(id) });
}

async function takenIds(session: Session, dagId: string, ids: readonly string[]): Promise<readonly string[]> {
  const sql = "select run_id from dag_run where dag_id = $1 and run_id = any($2::text[])";
  return (await session.query<{ run_id: string }>(sql, [dagId, ids])).map((row) => row.run_id);
}

/** Of a release without intervals it is worked out, as the target does for a run without one. */
async function newestInterval(
  { session, side, control }: ReadSide,
  { dagId, timetable }: Parts,
  name: SideName,
): Promise<DataInterval | null> {
  const newest = await readNewestAutomated(session, { side: name, release: side.release, dagId });
  if (newest === undefined || newest.interval !== null) return newest?.interval ?? null;
  const end = nextTick(timetable, control.release, newest.logicalDate);
  return { start: newest.logicalDate, end };
}

function nextTick(timetable: Timetable, release: Release, tick: number): number {
  const chain = tickChain(timetable, release);
  const next = chain.ok ? chain.next(tick) : tick;
  return Number.isFinite(next) ? next : tick;
}

interface Choice {
  readonly preview: Preview;
  readonly now: () => Date;
}

/**
 * What the target parsed says the most: its scheduler works from that. Else what it says of its settings; else which prediction its own next run
 * is as predicted from the runs that it has.
 */
async function choose({ target }: Sides, parts: Parts, { preview, now }: Choice): Promise<Prediction | undefined> {
  const { dagId } = parts;
  const [on, off] = preview.predictions;
  const kinds = preview.predictions.map(({ switches }) => kindUnder(parts, switches));
  if (kinds[0] === kinds[1]) return on;
  const parsed = target.inCode.get(dagId)?.schedule.timetable;
  const found = preview.predictions.find((_, at) => kinds[at] === (parsed === undefined ? "" : kindsOf(parsed)));
  if (found !== undefined) return found;
  if (target.switches !== undefined) {
    const kind = kindUnder(parts, target.switches);
    return preview.predictions.find((_, at) => kinds[at] === kind);
  }
  const told = toldOf(target.states.get(dagId)?.nextRun ?? null);
  if (told === undefined) return undefined;
  const newest = await newestInterval(target, parts, "target");
  const { matches } = previewDag({ ...parts, newest, now: now().getTime() * 1000, hasRunId: () => false, told });
  if (matches === null || matches[0] === matches[1]) return undefined;
  return matches[0] ? on : off;
}

function kindUnder({ timetable, target }: Parts, switches: Switches): string {
  return kindsOf(underSwitches(timetable, effectiveSwitches(target, switches)));
}

function kindsOf(timetable: Timetable): string {
  return timetable.kind === "assets-or-time" ? `${timetable.kind} ${kindsOf(timetable.time)}` : timetable.kind;
}

/** Undefined where nothing can be told from it: without the time of creation the rest may be old. */
function toldOf(next: NextRun | null): ToldRun | undefined {
  const [logicalDate, runAfter] = [micros(next?.logicalDate), micros(next?.createAfter)];
  if (logicalDate === undefined || runAfter === undefined) return undefined;
  const [start, end] = [micros(next?.intervalStart), micros(next?.intervalEnd)];
  return { logicalDate, runAfter, interval: start === undefined || end === undefined ? null : { start, end } };
}

function micros(instant: Instant | null | undefined): number | undefined {
  return instant === null || instant === undefined ? undefined : parseMicros(instant);
}
