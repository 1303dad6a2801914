import { isInRange } from "../../../src/domain/release.ts";
import type { SchedulingAirflow } from "./cutover-environment.ts";
import { kinds } from "./cutover-kinds.ts";

/** A scheduled or backfill run as one side's database has it; moments in UTC with microseconds. */
export interface SideRun {
  readonly dag: string;
  readonly id: string;
  readonly date: string;
  readonly state: string;
  readonly began: string | null;
  /** Null where the release keeps no intervals. */
  readonly from: string | null;
  readonly to: string | null;
}

/** A place where a tick did not run exactly once. */
export interface Break {
  readonly dag: string;
  readonly kind: "gap" | "overlap" | "twice on one side" | "ran on both" | "only on the source";
  readonly at: string;
  readonly what: string;
}

export interface ContinuityReport {
  readonly breaks: readonly Break[];
  /** By DAG: its automated runs on the source, on the target, and those that only the target has. */
  readonly dags: Readonly<Record<string, { readonly source: number; readonly target: number; readonly new: number }>>;
}

type Side = Pick<SchedulingAirflow, "release" | "query">;

function moment(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`;
}

/** How a release keeps its automated runs. */
const RUNS = [
  { in: "<2.0", date: "execution_date", automated: "run_id like 'scheduled\\_\\_%'", from: "null", to: "null" },
  { in: "<2.2", date: "execution_date", automated: "run_type in ('scheduled', 'backfill')", from: "null", to: "null" },
  { in: "<3.0", date: "execution_date", automated: "run_type in ('scheduled', 'backfill')", ...intervals() },
  { in: ">=3.0", date: "logical_date", automated: "run_type in ('scheduled', 'backfill')", ...intervals() },
];

function intervals() {
  return { from: moment("data_interval_start"), to: moment("data_interval_end") };
}

/** Written for the proof alone: it shares nothing with the product's own continuity check. */
export async function readSideRuns({ release, query }: Side): Promise<readonly SideRun[]> {
  const row = RUNS.find((each) => isInRange(release, each.in));
  if (row === undefined) throw new Error(`Nobody knows how Airflow ${release} keeps its runs.`);
  return await query<SideRun>(`select dag_id as dag, run_id as id, ${moment(row.date)} as date, coalesce(state, '') as state,
      ${moment("start_date")} as began, ${row.from} as "from", ${row.to} as "to"
    from dag_run where ${row.automated} order by dag_id, ${row.date}, run_id`);
}

/**
 * Looks at the union of both sides after DAGs were switched from source to target: within a DAG each interval begins where the one before ended,
 * no logical date is there twice on a side, a run that both have began at the same moment, and the target has all that the source has.
 */
export async function checkContinuity(source: Side, target: Side): Promise<ContinuityReport> {
  const [before, after] = await Promise.all([readSideRuns(source), readSideRuns(target)]);
  const ids = [...new Set([...before, ...after].map(({ dag }) => dag))].toSorted();
  const of = (runs: readonly SideRun[], dag: string) => runs.filter((run) => run.dag === dag);
  const dags = ids.map((dag) => ({ dag, source: of(before, dag), target: of(after, dag) }));
  return {
    breaks: dags.flatMap(breaksOf),
    dags: Object.fromEntries(
      dags.map((each) => {
        const had = new Set(each.source.map(({ date }) => date));
        const isNew = each.target.filter(({ date }) => !had.has(date)).length;
        return [each.dag, { source: each.source.length, target: each.target.length, new: isNew }];
      }),
    ),
  };
}

interface DagRuns {
  readonly dag: string;
  readonly source: readonly SideRun[];
  readonly target: readonly SideRun[];
}

function breaksOf({ dag, source, target }: DagRuns): readonly Break[] {
  const onTarget = new Map(target.map((run) => [run.date, run]));
  const union = new Map([...target, ...source].map((run) => [run.date, run]));
  const inOrder = [...union.values()].toSorted((a, b) => (a.date < b.date ? -1 : 1));
  return [
    ...[source, target].flatMap((runs) => twice(dag, runs)),
    ...source.flatMap((run) => both(dag, run, onTarget.get(run.date))),
    ...inOrder.flatMap((run, at) => joint(dag, inOrder[at - 1], run)),
  ];
}

function twice(dag: string, runs: readonly SideRun[]): readonly Break[] {
  const doubled = runs.filter((run, at) => runs.findIndex(({ date }) => date === run.date) !== at);
  return doubled.map((run) => ({ dag, kind: "twice on one side", at: run.date, what: run.id }));
}

function both(dag: string, here: SideRun, there: SideRun | undefined): readonly Break[] {
  const at = here.date;
  if (there === undefined) return [{ dag, kind: "only on the source", at, what: `${here.id} ${here.state}` }];
  if (here.began === there.began) return [];
  const what = `${here.id} began ${here.began}, ${there.id} began ${there.began}`;
  return [{ dag, kind: "ran on both", at, what }];
}

function joint(dag: string, before: SideRun | undefined, run: SideRun): readonly Break[] {
  if (before === undefined) return [];
  // Without intervals the first run after them begins where its own logical date says that the one before ended.
  const [end, start] = [before.to ?? endOf(dag, before), run.from ?? run.date];
  if (end === undefined || end === start) return [];
  const what = `[${before.from}, ${end}) then [${start}, ${run.to})`;
  return [{ dag, kind: start > end ? "gap" : "overlap", at: run.date, what }];
}

/** Where a release keeps no intervals: a period after the logical date; undefined where the schedule has none. */
function endOf(dag: string, { date }: SideRun): string | undefined {
  const seconds = kinds.find((kind) => kind.dag === dag)?.everySeconds;
  if (seconds === undefined) return undefined;
  const end = new Date(Date.parse(`${date.slice(0, 23)}Z`) + seconds * 1000).toISOString();
  return `${end.slice(0, 23)}${date.slice(23)}`;
}
