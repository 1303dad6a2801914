import { entities } from "../../airflow/entities/index.ts";
import type { Switches } from "../../airflow/timetables/rules.ts";
import type { Timetable } from "../../airflow/timetables/timetable.ts";
import { isProblem, type ProblemReport } from "../../domain/problem.ts";
import type { ActiveBackfill, Control, DagState, HealthReading, PendingEvent } from "../../ports/control.ts";
import type { Session } from "../../ports/database.ts";
import { allLanes, type MigrationJob } from "../copy/copy-context.ts";
import { type Base, readBase } from "../sync/base.ts";
import { NO_ID_RULES } from "../translate/translate.ts";
import type { SideName } from "./automated-run.ts";
import { readSwitches } from "./cutover-ledger.ts";
import { type DagInCode, readDagsInCode } from "./gate-code.ts";
import { type DagPreview, previewForGate, scheduleBefore } from "./gate-preview.ts";
import type { ReadSide } from "./gate-side.ts";
import { readTies } from "./read-wave-facts.ts";
import { hasSetOut } from "./switch-state.ts";
import type { Tie } from "./ties.ts";

/** What a gate is read from. */
export interface GateInput {
  readonly source: Control;
  readonly target: Control;
  /** Sessions with both metadata databases; only read. */
  readonly sourceSession: Session;
  readonly targetSession: Session;
  readonly sides: Pick<MigrationJob, "sourceSide" | "targetSide" | "identity">;
  readonly dags: readonly string[];
  /** Asked before and after the clocks are read, too: how long that took is how exact it is. */
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** Whether the DAG's owner accepts that its runs get other logical dates on the target. */
  readonly acceptsShift: (dagId: string) => boolean;
  /** Whether the source has the drain policy, for the calls that would be made. Default: no. */
  readonly endsDags?: boolean;
}

/** A DAG as one side has it. */
export interface SideDag {
  readonly state: DagState;
  /** Undefined where the side keeps no serialised form of it. */
  readonly code: DagInCode | undefined;
  readonly backfills: readonly ActiveBackfill[];
}

/** A DAG of the gate. */
export interface GateDag {
  readonly dagId: string;
  readonly source: SideDag | undefined;
  readonly target: SideDag | undefined;
  /** DAGs that only the target has, from a file of the same name: it may be called so there. Empty where the target has parsed it. */
  readonly maybeRenamed: readonly string[];
  /** Events seen on the source; null where it can not be told. */
  readonly pending: readonly PendingEvent[] | null;
  /** The timetable that the source's scheduler goes by. */
  readonly before: Timetable | undefined;
  readonly preview: DagPreview;
  readonly acceptsShift: boolean;
}

/** The health of both sides, read at the same time. */
export interface HealthFacts extends Readonly<Record<SideName, HealthReading>> {
  /** How long the readings took: the clocks were read at most so far apart. */
  readonly apartMs: number;
}

/** Everything that the conditions of a gate judge. */
export interface GateFacts {
  readonly dags: readonly GateDag[];
  readonly health: HealthFacts;
  readonly now: Date;
  readonly targetPools: ReadonlySet<string>;
  /** Ties of these DAGs to others that stay on the source. */
  readonly tiesToOthers: readonly Tie[];
  /** What was copied from this source, or why nothing can be brought after it. */
  readonly base: Pick<Base, "run" | "at" | "selection"> | ProblemReport;
  /** Entities that can be brought back from the target. */
  readonly wayBack: ReadonlySet<string>;
}

/** Calls of an API under way at once, so that a hundred DAGs are read in seconds and the API is not flooded. */
const AT_ONCE = 8;

/** Reads both sides. Throws the problems of `Control` and `Session`. */
export async function readGateFacts(input: GateInput): Promise<GateFacts> {
  const health = await readHealthOfBoth(input);
  const source = await openSide(input, "source");
  const target = await openSide(input, "target");
  const news = await newOnTarget(input, source, target);
  const told = await mapSome(input.dags, (dagId) => readGateDag(input, dagId, { source, target, news }));
  const dags: GateDag[] = [];
  // One after the other: a session does one statement at a time.
  for (const dag of told) {
    dags.push({ ...dag, preview: await previewForGate({ source, target }, dag.dagId, input.now) });
  }
  return {
    dags,
    health,
    now: input.now(),
    targetPools: await readPools(input.targetSession),
    tiesToOthers: await readTiesToOthers(input),
    base: await readBaseOrWhy(input),
    wayBack: wayBackOf(input.sides),
  };
}

async function openSide(input: GateInput, name: SideName): Promise<ReadSide> {
  const control = input[name];
  const session = name === "source" ? input.sourceSession : input.targetSession;
  const side = name === "source" ? input.sides.sourceSide : input.sides.targetSide;
  const states = await control.readDags(input.signal, input.dags);
  const switches = await readIntervals(control, input.signal);
  const reading = { release: control.release, ...(switches === undefined ? {} : { switches }) };
  const inCode = await readDagsInCode(session, { schema: side.release, reading, dagIds: input.dags });
  return { control, session, side, states: new Map(states.map((dag) => [dag.dagId, dag])), inCode, switches };
}

async function readIntervals(control: Control, signal: AbortSignal): Promise<Switches | undefined> {
  if (!control.can.readIntervalSwitches) return undefined;
  const { cron, delta } = await control.readIntervalSwitches(signal);
  if (cron === "unknown" || delta === "unknown") return undefined;
  return { cronDataIntervals: cron, deltaDataIntervals: delta };
}

function fileName({ file }: DagState): string {
  return file.split("/").at(-1) ?? "";
}

/** DAGs that only the target has; looked for where it has not parsed one of those that are wanted. */
async function newOnTarget(input: GateInput, source: ReadSide, target: ReadSide): Promise<readonly DagState[]> {
  if ([...source.states.keys()].every((dagId) => target.states.get(dagId)?.isActive === true)) return [];
  const there = await target.control.readDags(input.signal);
  const here = new Set((await source.control.readDags(input.signal)).map(({ dagId }) => dagId));
  return there.filter(({ dagId, isActive }) => isActive && !here.has(dagId));
}

async function readGateDag(
  input: GateInput,
  dagId: string,
  sides: Readonly<Record<SideName, ReadSide>> & { readonly news: readonly DagState[] },
): Promise<Omit<GateDag, "preview">> {
  const { source, target, news } = sides;
  const state = source.states.get(dagId);
  const isMissing = state !== undefined && target.states.get(dagId)?.isActive !== true;
  return {
    dagId,
    source: await readSideDag(source, dagId, input.signal),
    target: await readSideDag(target, dagId, input.signal),
    maybeRenamed: isMissing ? news.filter((dag) => fileName(dag) === fileName(state)).map((dag) => dag.dagId) : [],
    before: scheduleBefore(sides, dagId)?.timetable,
    pending: await readPending(source, dagId, input.signal),
    acceptsShift: input.acceptsShift(dagId),
  };
}

async function readSideDag(side: ReadSide, dagId: string, signal: AbortSignal): Promise<SideDag | undefined> {
  const state = side.states.get(dagId);
  if (state === undefined) return undefined;
  return { state, code: side.inCode.get(dagId), backfills: await side.control.readActiveBackfills(dagId, signal) };
}

async function readPending(
  { control, states }: ReadSide,
  dagId: string,
  signal: AbortSignal,
): Promise<readonly PendingEvent[] | null> {
  if (!states.has(dagId)) return [];
  return control.can.readPendingEvents ? await control.readPendingEvents(dagId, signal) : null;
}

async function readHealthOfBoth({ source, target, signal, now }: GateInput): Promise<HealthFacts> {
  const began = now().getTime();
  const [ofSource, ofTarget] = await Promise.all([source.readHealth(signal), target.readHealth(signal)]);
  return { source: ofSource, target: ofTarget, apartMs: now().getTime() - began };
}

async function readPools(target: Session): Promise<ReadonlySet<string>> {
  const rows = await target.query<{ pool: string }>("select pool from slot_pool where pool is not null");
  return new Set(rows.map(({ pool }) => pool));
}

async function readTiesToOthers({ sourceSession, targetSession, sides, dags }: GateInput): Promise<readonly Tie[]> {
  const there = (await readSwitches(targetSession, sides.identity)).filter(hasSetOut).map(({ dagId }) => dagId);
  const going = new Set(dags);
  const gone = new Set([...dags, ...there]);
  return (await readTies(sourceSession, sides.sourceSide.release)).filter(
    ({ from, to }) => (going.has(from) && !gone.has(to)) || (going.has(to) && !gone.has(from)),
  );
}

async function readBaseOrWhy({ targetSession, sides, target }: GateInput): Promise<GateFacts["base"]> {
  try {
    return await readBase(targetSession, { identity: sides.identity, label: target.label });
  } catch (error) {
    if (isProblem(error) && error.code.startsWith("SYNC_")) return error.report;
    throw error;
  }
}

function wayBackOf({ sourceSide, targetSide }: GateInput["sides"]): ReadonlySet<string> {
  const back = { sourceSide: targetSide, targetSide: sourceSide, entities };
  return new Set(allLanes(back, NO_ID_RULES).keys());
}

/** In order; some at once. */
async function mapSome<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}
