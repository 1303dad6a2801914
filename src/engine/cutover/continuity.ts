import { type TickChain, tickChain } from "../../airflow/timetables/ticks.ts";
import type {
  DataInterval,
  Micros,
  Restriction,
  Timetable,
  TimetableKind,
} from "../../airflow/timetables/timetable.ts";
import type { Release } from "../../domain/release.ts";
import type { AutomatedRun, SideName } from "./automated-run.ts";

/** One side's schedule of a DAG. */
export interface SideSchedule {
  readonly release: Release;
  readonly timetable: Timetable;
  readonly restriction: Restriction;
}

/** From when on a side owns the DAG. */
export interface Ownership {
  readonly owner: SideName;
  readonly from: Micros;
}

export interface ContinuityInput {
  readonly dagId: string;
  /** The automated runs of both sides, in any order; copied ones are there twice. */
  readonly runs: readonly AutomatedRun[];
  readonly schedules: Readonly<Record<SideName, SideSchedule>>;
  /** Oldest first; the first one's `from` is the moment from which ticks are looked at. */
  readonly owners: readonly [Ownership, ...Ownership[]];
  readonly now: Micros;
}

/** How a kind of timetable is judged. `ticks`: every tick has one run; `contiguous`: each run begins where the last ended; the others: no run twice. */
export type ContinuityRule = "ticks" | "contiguous" | "once" | "no-run-twice";

interface RuleRow {
  readonly rule: ContinuityRule;
  /** For people: what is checked. */
  readonly says: string;
}

const EVERY_TICK: RuleRow = { rule: "ticks", says: "every tick of the schedule has exactly one run" };
const BY_EVENTS = "runs are started by events and have no ticks: none is there twice";

/** The rule of every kind of timetable. */
export const CONTINUITY_RULES: Readonly<Record<TimetableKind, RuleRow>> = {
  "cron-interval": EVERY_TICK,
  "cron-trigger": EVERY_TICK,
  "cron-triggers": EVERY_TICK,
  "delta-interval": EVERY_TICK,
  "delta-trigger": EVERY_TICK,
  events: EVERY_TICK,
  "assets-or-time": {
    rule: "ticks",
    says: "every tick of the time schedule has exactly one run; runs started by assets are not counted",
  },
  continuous: { rule: "contiguous", says: "each run's interval begins where the last one's ended" },
  once: { rule: "once", says: "one run in all" },
  manual: { rule: "no-run-twice", says: "nothing runs by itself: no run is there twice" },
  assets: { rule: "no-run-twice", says: BY_EVENTS },
  custom: { rule: "no-run-twice", says: "only the timetable itself knows its ticks: no run is there twice" },
};

/** One run, whichever side it is on: its copy is the same run. */
export interface TickRun {
  readonly tick: Micros;
  readonly runs: readonly AutomatedRun[];
}

export type DeviationKind =
  /** A tick without a run, which the schedule owes. */
  | "gap"
  /** A tick without a run that catchup=False leaves out: shown, not wrong. */
  | "skipped"
  /** Two runs of one tick on one side. */
  | "double"
  /** Both sides ran the tick: no copy, as they began at different times and it was not cleared. */
  | "both-sides"
  /** Run by the side that did not own the DAG then. */
  | "wrong-side"
  /** A run at no tick of the schedule: of an older schedule, or made by hand. Shown, not wrong. */
  | "off-schedule";

export interface Deviation {
  readonly kind: DeviationKind;
  readonly tick: Micros;
  readonly runs: readonly AutomatedRun[];
  /** The side that owned the DAG at the tick. */
  readonly owner: SideName;
}

export interface Continuity {
  readonly dagId: string;
  readonly rule: ContinuityRule;
  readonly says: string;
  /** Why ticks were not computed, where the rule needs them and they can not be. */
  readonly notComputable: string | null;
  /** Ticks looked at, and those of them that have a run. */
  readonly ticks: number;
  readonly ran: number;
  /** The ticks that have a run, in order of time. */
  readonly runs: readonly TickRun[];
  /** In order of time. Of a long row of missing ticks all are listed, up to 10,000 a DAG. */
  readonly deviations: readonly Deviation[];
  /** True where nothing is wrong: `skipped` and `off-schedule` are not. */
  readonly isContinuous: boolean;
}

const HARMLESS: ReadonlySet<DeviationKind> = new Set(["skipped", "off-schedule"]);
const MOST_MISSING = 10_000;

/**
 * Whether every tick of a DAG was run exactly once across both sides, up to its newest run: later ticks may still come. Copies count once, and a
 * tick is the same on both sides of an interval switch.
 */
export function checkContinuity(input: ContinuityInput): Continuity {
  const { timetable } = input.schedules[ownerAt(input.owners, input.now)];
  const row = CONTINUITY_RULES[timetable.kind];
  const chains = { source: chainOf(input.schedules.source), target: chainOf(input.schedules.target) };
  const failed = [chains.source, chains.target].find((chain) => !chain.ok);
  const notComputable = row.rule === "ticks" && failed !== undefined ? failed.reason : null;
  const rule = notComputable === null ? row.rule : "no-run-twice";
  const ran = groupByTick(input, chains);
  const missing = rule === "ticks" || rule === "contiguous" ? follow(input, { chains, ran, rule }) : [];
  const extra = ran
    .slice(rule === "once" ? 1 : ran.length)
    .map(({ tick, runs }) => deviation(input, { kind: "double", tick, runs }));
  const deviations = [...ran.flatMap((each) => judgeTick(input, each)), ...missing, ...extra].sort(
    (a, b) => a.tick - b.tick,
  );
  const unrun = deviations.filter(({ kind }) => kind === "gap" || kind === "skipped").length;
  return {
    dagId: input.dagId,
    rule,
    says: row.says,
    notComputable,
    ticks: ran.length + unrun,
    ran: ran.length,
    runs: ran,
    deviations,
    isContinuous: deviations.every(({ kind }) => HARMLESS.has(kind)),
  };
}

function chainOf({ timetable, release }: SideSchedule): TickChain {
  return tickChain(timetable, release);
}

/** Who owned the DAG at a moment. */
export function ownerAt(owners: readonly [Ownership, ...Ownership[]], moment: Micros): SideName {
  return (owners.findLast(({ from }) => from <= moment) ?? owners[0]).owner;
}

type Chains = Readonly<Record<SideName, TickChain>>;

/** The moment that a run was made for: the end of its interval; worked out where the release kept none. */
function tickOf({ interval, logicalDate, side }: AutomatedRun, chains: Chains): Micros {
  if (interval !== null) return interval.end;
  const chain = chains[side];
  const tick = chain.ok ? chain.next(logicalDate) : logicalDate;
  return Number.isFinite(tick) ? tick : logicalDate;
}

function groupByTick({ runs, owners }: ContinuityInput, chains: Chains): readonly TickRun[] {
  const ticks = Map.groupBy(runs, (run) => tickOf(run, chains));
  return [...ticks]
    .map(([tick, all]) => ({ tick, runs: all }))
    .filter(({ tick }) => tick >= owners[0].from)
    .sort((a, b) => a.tick - b.tick);
}

function deviation({ owners }: ContinuityInput, facts: Omit<Deviation, "owner">): Deviation {
  return { ...facts, owner: ownerAt(owners, facts.tick) };
}

function judgeTick(input: ContinuityInput, { tick, runs }: TickRun): readonly Deviation[] {
  const [source, target] = [runs.filter(({ side }) => side === "source"), runs.filter(({ side }) => side === "target")];
  const of = (kind: DeviationKind): Deviation => deviation(input, { kind, tick, runs });
  const isDouble = source.length > 1 || target.length > 1;
  return [
    ...(isDouble ? [of("double")] : []),
    ...(!isDouble && ranOnBoth(source[0], target[0]) ? [of("both-sides")] : []),
    ...(isOnWrongSide(input, source, target) ? [of("wrong-side")] : []),
  ];
}

/** Each began it for itself: the copy of a run has the run's own start, unless it was cleared after the copy. */
function ranOnBoth(source: AutomatedRun | undefined, target: AutomatedRun | undefined): boolean {
  if (source === undefined || target === undefined) return false;
  if (source.startedAt === null || target.startedAt === null) return false;
  return source.startedAt !== target.startedAt && (source.cleared ?? 0) === (target.cleared ?? 0);
}

/** A copy goes from the owner to the other side, so a run that only the other side has was begun there. */
function isOnWrongSide(
  { owners }: ContinuityInput,
  source: readonly AutomatedRun[],
  target: readonly AutomatedRun[],
): boolean {
  const only = source.length === 0 ? target : target.length === 0 ? source : [];
  return only.some(({ side, startedAt }) => startedAt !== null && ownerAt(owners, startedAt) !== side);
}

interface Followed {
  readonly chains: Chains;
  readonly ran: readonly TickRun[];
  readonly rule: "ticks" | "contiguous";
}

/** Goes from each run to the next one, by the schedule of the side that owned the DAG in between. */
function follow(input: ContinuityInput, { chains, ran, rule }: Followed): readonly Deviation[] {
  const found: Deviation[] = [];
  for (const [at, current] of ran.entries()) {
    const previous = ran[at - 1];
    if (previous === undefined || found.length >= MOST_MISSING) continue;
    found.push(
      ...(rule === "ticks" ? between(input, chains, [previous, current]) : contiguous(input, [previous, current])),
    );
  }
  return found;
}

type Pair = readonly [previous: TickRun, current: TickRun];

function between(input: ContinuityInput, chains: Chains, [previous, current]: Pair): readonly Deviation[] {
  const missing: Deviation[] = [];
  let tick = nextTick(input, chains, previous.tick);
  while (tick < current.tick && missing.length < MOST_MISSING) {
    missing.push(missed(input, tick));
    tick = nextTick(input, chains, tick);
  }
  if (tick === current.tick) return missing;
  return [...missing, deviation(input, { kind: "off-schedule", tick: current.tick, runs: current.runs })];
}

function nextTick({ owners }: ContinuityInput, chains: Chains, tick: Micros): Micros {
  const chain = chains[ownerAt(owners, tick)];
  return chain.ok ? chain.next(tick) : Number.POSITIVE_INFINITY;
}

function missed(input: ContinuityInput, tick: Micros): Deviation {
  const { restriction } = input.schedules[ownerAt(input.owners, tick)];
  return deviation(input, { kind: restriction.catchup ? "gap" : "skipped", tick, runs: [] });
}

function contiguous(input: ContinuityInput, [previous, current]: Pair): readonly Deviation[] {
  const [before, after] = [intervalOf(previous), intervalOf(current)];
  if (before === null || after === null || after.start === before.end) return [];
  const kind = after.start < before.end ? "double" : "gap";
  return [deviation(input, { kind, tick: current.tick, runs: current.runs })];
}

function intervalOf({ runs }: TickRun): DataInterval | null {
  return runs[0]?.interval ?? null;
}
