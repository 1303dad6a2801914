import { formatMicros, parseMicros } from "../../airflow/timetables/micros.ts";
import { readSchedule } from "../../airflow/timetables/read-schedule.ts";
import type { Micros } from "../../airflow/timetables/timetable.ts";
import type { Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import type { SideName } from "./automated-run.ts";
import {
  type Continuity,
  checkContinuity,
  type Deviation,
  type DeviationKind,
  type Ownership,
  ownerAt,
  type SideSchedule,
} from "./continuity.ts";
import { readAutomatedRuns } from "./read-automated-runs.ts";
import { readSerializedDags } from "./read-serialized.ts";
import type { SwitchState } from "./switch-state.ts";

/** One side's database, with the release that stands for its schema. */
export interface ContinuitySide {
  readonly session: Session;
  readonly release: Release;
}

/** When a DAG was switched, as the record has it. */
export interface SwitchedAt {
  readonly dagId: string;
  readonly state: SwitchState;
  /** ISO 8601. */
  readonly at: string;
}

export interface ReadContinuity {
  readonly source: ContinuitySide;
  readonly target: ContinuitySide;
  /** Oldest first; before its first one a DAG is the source's. */
  readonly events: readonly SwitchedAt[];
  /** Ticks before this are not looked at. */
  readonly since: Micros;
  readonly now: Micros;
  readonly isWanted: (dagId: string) => boolean;
}

/** What is told of a run at a tick. */
interface ToldTickRun {
  readonly side: SideName;
  readonly runId: string;
}

/** A tick that has not exactly one run, or one at the wrong place. */
interface ToldDeviation {
  readonly kind: DeviationKind;
  /** ISO 8601. */
  readonly tick: string;
  readonly owner: SideName;
  readonly runs: readonly ToldTickRun[];
}

/** Whether the ticks of a DAG ran once across both sides. */
export interface DagContinuity
  extends Pick<Continuity, "dagId" | "rule" | "says" | "notComputable" | "ticks" | "ran" | "isContinuous"> {
  readonly owner: SideName;
  /** How many of each kind. */
  readonly counts: Readonly<Partial<Record<DeviationKind, number>>>;
  /** The newest, at most a hundred. */
  readonly deviations: readonly ToldDeviation[];
  /** The newest ticks, oldest first, a sign for each: see {@link TICK_SIGNS}. */
  readonly timeline: string;
}

/** What each sign of a timeline stands for. */
export const TICK_SIGNS = {
  source: "·",
  target: "▪",
  gap: "✗",
  double: "‼",
  skipped: "-",
} as const;

/** How a deviation is drawn; one that is not wrong is drawn as the run it is. */
const SIGN_OF: Readonly<Partial<Record<DeviationKind, keyof typeof TICK_SIGNS>>> = {
  gap: "gap",
  skipped: "skipped",
  double: "double",
  "both-sides": "double",
  "wrong-side": "double",
};

const TIMELINE_TICKS = 60;
const MOST_TOLD = 100;

type Schedules = ReadonlyMap<string, SideSchedule>;

/** Checks the wanted DAGs that either side has serialised, one after the other, by id. */
export async function* readContinuity(input: ReadContinuity): AsyncGenerator<DagContinuity> {
  const [source, target] = [await readSchedules(input.source), await readSchedules(input.target)];
  const ids = [...new Set([...source.keys(), ...target.keys()])].filter(input.isWanted).sort();
  for (const dagId of ids) yield await readDag(input, dagId, { source, target });
}

/** The schedules of all DAGs that a side has serialised and that can be read, by id. */
export async function readSchedules({ session, release }: ContinuitySide): Promise<Schedules> {
  const schedules = new Map<string, SideSchedule>();
  for await (const { dagId, data } of readSerializedDags(session, release)) {
    const schedule = readSchedule(data, { release });
    if (schedule !== undefined) schedules.set(dagId, { release, ...schedule });
  }
  return schedules;
}

async function readDag(
  { source, target, events, since, now }: ReadContinuity,
  dagId: string,
  schedules: Readonly<Record<SideName, Schedules>>,
): Promise<DagContinuity> {
  const owners = ownersOf(
    events.filter((event) => event.dagId === dagId),
    since,
  );
  const runs = [
    ...(await readAutomatedRuns(source.session, { side: "source", release: source.release, dagId, since })),
    ...(await readAutomatedRuns(target.session, { side: "target", release: target.release, dagId, since })),
  ];
  const [here, there] = [schedules.source.get(dagId), schedules.target.get(dagId)];
  const [ofSource, ofTarget] = [here ?? there, there ?? here];
  if (ofSource === undefined || ofTarget === undefined) throw new Error(`no schedule of ${dagId}`);
  const found = checkContinuity({ dagId, runs, schedules: { source: ofSource, target: ofTarget }, owners, now });
  return told(found, owners, now);
}

type Owners = readonly [Ownership, ...Ownership[]];

/** What a state of a switch says about whose the DAG is; the others change nothing. */
const OWNER_BY_STATE: Readonly<Partial<Record<SwitchState, SideName>>> = {
  live: "target",
  reversed: "source",
  restored: "source",
};

/** The owners of a DAG from a moment on. */
export function ownersOf(events: readonly SwitchedAt[], since: Micros): Owners {
  const owners: [Ownership, ...Ownership[]] = [{ owner: "source", from: since }];
  for (const { state, at } of events) {
    const owner = OWNER_BY_STATE[state];
    const from = parseMicros(at);
    // Said again by a later step of the same switch.
    if (owner === undefined || from === undefined || owners.at(-1)?.owner === owner) continue;
    if (from <= since) owners[0] = { owner, from: since };
    else owners.push({ owner, from });
  }
  return owners;
}

function told(found: Continuity, owners: Owners, now: Micros): DagContinuity {
  const { dagId, rule, says, notComputable, ticks, ran, isContinuous, deviations } = found;
  const kinds = Map.groupBy(deviations, ({ kind }) => kind);
  return {
    dagId,
    rule,
    says,
    notComputable,
    ticks,
    ran,
    isContinuous,
    owner: ownerAt(owners, now),
    counts: Object.fromEntries([...kinds].map(([kind, each]) => [kind, each.length])),
    deviations: deviations.slice(-MOST_TOLD).map(tellDeviation),
    timeline: drawTimeline(found, owners),
  };
}

function tellDeviation({ kind, tick, owner, runs }: Deviation): ToldDeviation {
  return { kind, tick: formatMicros(tick), owner, runs: runs.map(({ side, runId }) => ({ side, runId })) };
}

/** The newest ticks, one sign each: what is wrong with it, else where it ran. */
export function drawTimeline({ runs, deviations }: Pick<Continuity, "runs" | "deviations">, owners: Owners): string {
  const signs = new Map<Micros, string>();
  for (const { tick, runs: ofTick } of runs.slice(-TIMELINE_TICKS)) {
    // A copy has the start of the run that it is of.
    const started = ofTick.map(({ startedAt }) => startedAt).find((each) => each !== null) ?? tick;
    const side = new Set(ofTick.map((run) => run.side)).size === 1 ? ofTick[0]?.side : ownerAt(owners, started);
    signs.set(tick, TICK_SIGNS[side ?? "source"]);
  }
  for (const { kind, tick } of deviations) {
    const sign = SIGN_OF[kind];
    if (sign !== undefined) signs.set(tick, TICK_SIGNS[sign]);
  }
  const newest = [...signs].sort(([a], [b]) => a - b).slice(-TIMELINE_TICKS);
  return newest.map(([, sign]) => sign).join("");
}
