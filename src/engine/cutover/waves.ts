import type { Tie, TieKind } from "./ties.ts";

/** What of a DAG says how much is at stake when it is switched. */
export interface DagRisk {
  readonly dagId: string;
  readonly isPaused: boolean;
  /** Time between two ticks in seconds; null without a schedule. */
  readonly periodSeconds: number | null;
  /** Runs that ended in the time looked at, and how many of them failed. */
  readonly ended: number;
  readonly failed: number;
  /** The owner's word, by a tag `cutover:early` or `cutover:late`. */
  readonly label: "early" | "late" | null;
}

/** A DAG of a wave, and why it is there: one phrase each. */
export interface WaveDag {
  readonly dagId: string;
  readonly why: readonly string[];
}

/** DAGs that are cut over together. */
export interface Wave {
  readonly name: string;
  readonly dags: readonly WaveDag[];
}

/** What waves are made from. */
export interface WavesInput {
  readonly dags: readonly DagRisk[];
  readonly ties: readonly Tie[];
  /** DAGs of a wave at most; a chain that is longer is a wave of its own. */
  readonly size: number;
}

const TIE_PHRASES: Readonly<Record<TieKind, (tie: Tie) => string>> = {
  "waits-for": ({ from, to, by }) => `${to} waits for ${from} (${by})`,
  marks: ({ from, to, by }) => `${from} marks ${to} (${by})`,
  starts: ({ from, to, by }) => `${from} starts ${to} (${by})`,
  asset: ({ from, to, by }) => `${from} writes ${by}, which starts ${to}`,
  subdag: ({ from, to }) => `${to} is a SubDAG of ${from}`,
  pool: ({ from, to, by }) => `${from} and ${to} share the few slots of pool ${by}`,
};

/** What ties two DAGs, for people. */
export function describeTie(tie: Tie): string {
  return TIE_PHRASES[tie.kind](tie);
}

/**
 * Groups DAGs into waves: DAGs that are tied, however far around, are never split; the least is at stake in the first wave. Ties to DAGs that are
 * not among `dags` (left out, or gone) tie nothing. The same input gives the same waves.
 */
export function planWaves(input: WavesInput): readonly Wave[] {
  const known = new Map(input.dags.map((dag) => [dag.dagId, dag]));
  const ties = input.ties.filter(({ from, to }) => known.has(from) && known.has(to));
  const followers = countFollowers(ties);
  const chains = chainsOf([...known.keys()], ties)
    .map((ids) => weigh(ids, known, followers))
    .sort((a, b) => compareRisks(a.risk, b.risk) || compareTexts(a.dags[0]?.dagId, b.dags[0]?.dagId));
  return pack(chains, input.size).map((members, index) => ({
    name: `wave-${index + 1}`,
    dags: members.flatMap(({ dags }) => dags.map((dag) => ({ dagId: dag.dagId, why: reasons(dag, ties, followers) }))),
  }));
}

/** Connected groups, each in the order of the ids given. */
export function chainsOf(dagIds: readonly string[], ties: readonly Tie[]): readonly (readonly string[])[] {
  const neighbours = new Map<string, string[]>(dagIds.map((id) => [id, []]));
  for (const { from, to } of ties) {
    neighbours.get(from)?.push(to);
    neighbours.get(to)?.push(from);
  }
  const seen = new Set<string>();
  return dagIds.flatMap((id) => {
    if (seen.has(id)) return [];
    const group = reach(id, neighbours);
    for (const member of group) seen.add(member);
    return [dagIds.filter((each) => group.has(each))];
  });
}

function reach(start: string, neighbours: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const group = new Set([start]);
  // A Set is walked in the order of insertion, also over what is added meanwhile.
  for (const id of group) for (const next of neighbours.get(id) ?? []) if (neighbours.has(next)) group.add(next);
  return group;
}

/** How many other DAGs follow each, directly or not. A shared pool makes nobody a follower. */
function countFollowers(ties: readonly Tie[]): ReadonlyMap<string, number> {
  const direct = ties.filter(({ kind }) => kind !== "pool");
  const after = Map.groupBy(direct, ({ from }) => from);
  const edges = new Map([...after].map(([from, to]) => [from, to.map((tie) => tie.to)]));
  const ends = direct.flatMap(({ from, to }) => [from, to]);
  const all = new Map(ends.map((id) => [id, edges.get(id) ?? []]));
  return new Map([...all.keys()].map((id) => [id, reach(id, all).size - 1]));
}

/** What is compared, in this order; less is earlier. */
type Risk = readonly number[];

interface Chain {
  readonly dags: readonly DagRisk[];
  readonly risk: Risk;
}

const LABELS = { early: 0, late: 2 } as const;

function riskOf(dag: DagRisk, followers: number): Risk {
  return [
    dag.label === null ? 1 : LABELS[dag.label],
    dag.isPaused ? 0 : 1,
    // Rarely first; never is rarer than ever.
    dag.periodSeconds === null ? 0 : 1 / dag.periodSeconds,
    dag.ended === 0 ? 0 : dag.failed / dag.ended,
    followers,
  ];
}

function weigh(
  ids: readonly string[],
  known: ReadonlyMap<string, DagRisk>,
  followers: ReadonlyMap<string, number>,
): Chain {
  const dags = ids.flatMap((id) => known.get(id) ?? []);
  const risks = dags.map((dag) => riskOf(dag, followers.get(dag.dagId) ?? 0));
  // A chain is as risky as its riskiest DAG in each respect.
  const risk = risks.reduce((worst, each) => each.map((value, at) => Math.max(value, worst[at] ?? value)));
  const order = new Map(dags.map((dag, at) => [dag.dagId, risks[at] ?? []]));
  const sorted = [...dags].sort(
    (a, b) => compareRisks(order.get(a.dagId) ?? [], order.get(b.dagId) ?? []) || compareTexts(a.dagId, b.dagId),
  );
  return { dags: sorted, risk };
}

function compareRisks(a: Risk, b: Risk): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

function compareTexts(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Fills waves in order of risk; a chain that does not fit any more begins the next wave. */
function pack(chains: readonly Chain[], size: number): readonly (readonly Chain[])[] {
  const waves: Chain[][] = [];
  let room = 0;
  for (const chain of chains) {
    if (waves.length === 0 || chain.dags.length > room) {
      waves.push([]);
      room = size;
    }
    waves.at(-1)?.push(chain);
    room -= chain.dags.length;
  }
  return waves;
}

function reasons(dag: DagRisk, ties: readonly Tie[], followers: ReadonlyMap<string, number>): readonly string[] {
  const count = followers.get(dag.dagId) ?? 0;
  const rate = dag.ended === 0 ? "no run has ended" : `${dag.failed} of ${dag.ended} runs failed`;
  return [
    ...(dag.label === null ? [] : [`its owner says ${dag.label}`]),
    ...(dag.isPaused ? ["paused"] : []),
    dag.periodSeconds === null ? "no schedule" : `every ${describePeriod(dag.periodSeconds)}`,
    rate,
    ...(count === 0 ? [] : [`${count} ${count === 1 ? "DAG follows" : "DAGs follow"}`]),
    ...ties.filter(({ from, to }) => from === dag.dagId || to === dag.dagId).map(describeTie),
  ];
}

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
] as const;

function describePeriod(seconds: number): string {
  const [unit, name] = UNITS.find(([each]) => seconds >= each) ?? [1, "second"];
  const count = Math.round((seconds / unit) * 10) / 10;
  return count === 1 ? name : `${count} ${name}s`;
}
