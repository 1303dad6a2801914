import { spawn } from "node:child_process";
import { once } from "node:events";
import pLimit from "p-limit";
import { Client } from "pg";
import { query, withDatabase } from "../test/airflow/support/databases.ts";
import { pythonMissing } from "../test/airflow/support/install.ts";
import { type Bench, type Contender, type Outcome, timed } from "./contender.ts";
import { applyOnce } from "./crosswind.ts";
import { emptyTarget } from "./source.ts";

const TARGET = "crosswind_bench_peer";
const OWN_ROWS = 2000;

/** Rows of the target's own, enough that no index may be taken off. */
const OWN = [
  "insert into dag_bundle (name, active) values ('own', true)",
  `insert into dag (dag_id, is_paused, is_stale, bundle_name, timetable_type, partition_mapper_info, max_active_tasks, max_consecutive_failed_dag_runs,
     has_task_concurrency_limits) values ('own', true, false, 'own', '', '{}', 16, 0, false)`,
  `insert into dag_run (dag_id, run_id, run_type, state, logical_date, run_after)
   select 'own', 'manual__' || n, 'manual', 'success', at, at from generate_series(1, ${OWN_ROWS}) n, lateral (select timestamptz '2020-01-01' + n * interval '1 h' as at) t`,
  `insert into task_instance (id, dag_id, task_id, run_id, try_number, pool, pool_slots, state)
   select gen_random_uuid(), dag_id, 'task', run_id, 1, 'default_pool', 1, 'success' from dag_run`,
  "insert into xcom (dag_run_id, dag_id, task_id, run_id, key, value, timestamp) select id, dag_id, 'task', run_id, 'key', '1', now() from dag_run",
  "insert into log (dttm, event, dag_id) select logical_date, 'own', dag_id from dag_run",
];

/** A target as its users work with it: rows of its own, and a session of a running Airflow. */
async function live(targetUrl: string): Promise<AsyncDisposable> {
  for (const sql of OWN) await query(targetUrl, sql);
  const session = new Client({ connectionString: targetUrl });
  await session.connect();
  return { [Symbol.asyncDispose]: () => session.end() };
}

async function intoLive(bench: Bench): Promise<Outcome> {
  const { seconds, maxResidentMb, rows, result, ...detail } = await applyOnce(bench, { prepare: live });
  if (result.indexesRebuilt > 0) throw new Error(`${result.indexesRebuilt} indexes were taken off a live target`);
  return { seconds, maxResidentMb, rows, detail };
}

/** Tables with rows, in the order that their foreign keys want. */
const STAGES: readonly (readonly string[])[] = [
  ["log", "dag_run", "dag"],
  ["task_instance"],
  [
    "xcom",
    "task_instance_history",
    "task_map",
    "rendered_task_instance_fields",
    "task_reschedule",
    "task_instance_note",
    "dag_run_note",
  ],
];

async function pipe(command: string): Promise<void> {
  const child = spawn("bash", ["-o", "pipefail", "-c", command], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
}

/** Both halves of a table. Binary, which is faster than text here. */
async function halves(from: string, into: string, table: string): Promise<readonly string[]> {
  const [row] = await query<{ blocks: number }>(from, `select (pg_relation_size('${table}') / 8192)::int as blocks`);
  const middle = Math.ceil((row?.blocks ?? 0) / 2);
  return [`ctid < '(${middle},0)'`, `ctid >= '(${middle},0)'`].map((half) => {
    const out = `copy (select * from ${table} where ${half}) to stdout (format binary)`;
    return `psql -qX "${from}" -c "${out}" | psql -qX "${into}" -c "copy ${table} from stdin (format binary)"`;
  });
}

async function copyPipes(bench: Bench): Promise<Outcome> {
  const into = await emptyTarget(bench.serverUrl, "2.10.5", TARGET);
  const from = withDatabase(bench.serverUrl, bench.finished);
  const twoAtOnce = pLimit(2);
  const seconds = await timed(bench.serverUrl, async () => {
    for (const tables of STAGES) {
      const commands = await Promise.all(tables.map((table) => halves(from, into, table)));
      await twoAtOnce.map(commands.flat(), pipe);
    }
  });
  return { seconds };
}

const LIVE = "crosswind live";

/** Into tables that keep their indexes and foreign keys. */
export const liveContenders: readonly Contender[] = [
  {
    name: LIVE,
    what: "`crosswind apply` 2.10.5 -> 3.3.2 into a target that has rows of its own and is in use: all indexes and foreign keys stay",
    missing: pythonMissing,
    run: intoLive,
  },
  {
    name: "COPY pipes",
    what: "two `COPY (select) TO STDOUT | COPY FROM STDIN` pipes at once, same version, all history, into tables with their indexes and foreign keys",
    against: LIVE,
    missing: pythonMissing,
    run: copyPipes,
  },
];
