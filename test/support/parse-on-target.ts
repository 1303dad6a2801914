import { randomUUID } from "node:crypto";
import type { Environment } from "./an-environment.ts";

const SCHEDULER =
  "insert into job (job_type, state, latest_heartbeat) values ('SchedulerJob', 'running', now() + interval '1 hour')";

interface Parsed {
  readonly catchup?: boolean;
  /** The day that the target says it runs next: `2024-03-04`. Default: it says none. */
  readonly nextDay?: string;
}

/** Makes both sides look as if schedulers lived there, and the recorded source's DAGs of a schedule had no end. */
export async function reviveBoth({ source, target }: Environment): Promise<void> {
  await source.query("update serialized_dag set data = (data::jsonb #- '{dag,end_date}')::json");
  await source.query(SCHEDULER);
  await target.query(SCHEDULER);
}

/** As an Airflow 3.3.2 with both interval switches on would have parsed the source's file of the DAG, paused. */
export async function parseOnTarget(
  { source, target }: Environment,
  dagId: string,
  { catchup = true, nextDay }: Parsed = {},
): Promise<void> {
  const [dag] = await source.query<{ data: { dag: object } }>(
    "select (data::jsonb #- '{dag,end_date}') as data from serialized_dag where dag_id = $1",
    [dagId],
  );
  const version = randomUUID();
  await target.query(
    "insert into dag_version (id, version_number, dag_id, created_at, last_updated) values ($1, 1, $2, now(), now())",
    [version, dagId],
  );
  await target.query(
    `insert into serialized_dag (id, dag_id, data, dag_hash, dag_version_id, created_at, last_updated)
     values ($1, $2, $3, 'hash', $4, now(), now())`,
    [randomUUID(), dagId, JSON.stringify({ __version: 3, dag: { ...dag?.data.dag, catchup } }), version],
  );
  // Limits are those of the source.
  const [limits] = await source.query(
    "select max_active_runs as runs, max_active_tasks as tasks from dag where dag_id = $1",
    [dagId],
  );
  await target.query(
    `update dag set is_stale = false, is_paused = true, last_parsed_time = now(), max_active_runs = $2, max_active_tasks = $3,
       bundle_name = 'dags-folder', relative_fileloc = 'dags.py', next_dagrun = $4::timestamptz, next_dagrun_data_interval_start = $4::timestamptz,
       next_dagrun_data_interval_end = $4::timestamptz + interval '1 day', next_dagrun_create_after = $4::timestamptz + interval '1 day'
     where dag_id = $1`,
    [dagId, limits?.["runs"], limits?.["tasks"], nextDay === undefined ? null : `${nextDay}T00:00:00Z`],
  );
}
