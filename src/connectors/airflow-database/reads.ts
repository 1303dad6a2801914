import { isInRange, type Range, type Release } from "../../domain/release.ts";

/** A piece of SQL that a range of releases needs. Never holds a value from outside. */
export interface SqlRow {
  readonly in?: Range;
  readonly sql: string;
}

/** The piece for that release; undefined where it has none. */
export function sqlFor(rows: readonly SqlRow[], release: Release): string | undefined {
  return rows.find((row) => isInRange(release, row.in))?.sql;
}

/** An `Instant` of the port, from a timestamp with time zone. */
function instant(expression: string): string {
  return `to_char((${expression}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

const NONE = "null::timestamptz";

type Fields = Readonly<Record<string, readonly SqlRow[]>>;

/** Columns of `dag d` by release. Source: the recorded schemas; that of `schedule` is JSON text. */
const dagFields = {
  dag_id: [{ sql: "d.dag_id" }],
  is_paused: [{ sql: "coalesce(d.is_paused, false)" }],
  is_active: [{ in: "<3.0", sql: "coalesce(d.is_active, false)" }, { sql: "not d.is_stale" }],
  has_import_errors: [
    { in: "<2.2.3", sql: "exists (select 1 from import_error e where e.filename = d.fileloc)" },
    { sql: "coalesce(d.has_import_errors, false)" },
  ],
  last_parsed: [{ in: "<2.0.2", sql: instant("d.last_scheduler_run") }, { sql: instant("d.last_parsed_time") }],
  next_date: [{ in: "<2.0", sql: instant(NONE) }, { sql: instant("d.next_dagrun") }],
  next_start: [{ in: "<2.2", sql: instant(NONE) }, { sql: instant("d.next_dagrun_data_interval_start") }],
  next_end: [{ in: "<2.2", sql: instant(NONE) }, { sql: instant("d.next_dagrun_data_interval_end") }],
  next_after: [{ in: "<2.0", sql: instant(NONE) }, { sql: instant("d.next_dagrun_create_after") }],
  schedule: [{ in: "<3.0", sql: "d.schedule_interval" }, { sql: "to_json(nullif(d.timetable_summary, 'None'))::text" }],
  max_active_runs: [{ in: "<2.1.4", sql: "null::integer" }, { sql: "d.max_active_runs" }],
  max_active_tasks: [
    { in: "<2.0", sql: "null::integer" },
    { in: "<2.2", sql: "d.concurrency" },
    { sql: "d.max_active_tasks" },
  ],
  file: [{ sql: "coalesce(d.fileloc, '')" }],
  owners: [{ sql: "coalesce(d.owners, '')" }],
  tags: [
    { in: "<1.10.8", sql: "array[]::text[]" },
    { sql: "array(select t.name::text from dag_tag t where t.dag_id = d.dag_id order by t.name)" },
  ],
} as const satisfies Fields;

/** When a run may run, by which runs are ordered: `r.execution_date` before 3.0. */
const RUN_ORDER = [
  { in: "<3.0", sql: "r.execution_date" },
  { sql: "r.run_after" },
] as const satisfies readonly SqlRow[];

const RUN_DATE = [
  { in: "<3.0", sql: "r.execution_date" },
  { sql: "coalesce(r.logical_date, r.run_after)" },
] as const satisfies readonly SqlRow[];

/** Columns of `dag_run r`. 1.10 has the type in the run's id only (airflow/models/dagrun.py, `ID_PREFIX`; jobs/backfill_job.py). */
const runFields = {
  dag_id: [{ sql: "r.dag_id" }],
  run_id: [{ sql: "r.run_id" }],
  run_type: [
    {
      in: "<2.0",
      sql: "case when r.run_id like 'scheduled\\_\\_%' then 'scheduled' when r.run_id like 'backfill\\_%' then 'backfill' else 'manual' end",
    },
    { in: "<3.0", sql: "case r.run_type when 'dataset_triggered' then 'asset_triggered' else r.run_type end" },
    { sql: "r.run_type" },
  ],
  state: [{ sql: "coalesce(r.state, '')" }],
  logical_date: [{ in: "<3.0", sql: instant("r.execution_date") }, { sql: instant("r.logical_date") }],
  interval_start: [{ in: "<2.2", sql: instant(NONE) }, { sql: instant("r.data_interval_start") }],
  interval_end: [{ in: "<2.2", sql: instant(NONE) }, { sql: instant("r.data_interval_end") }],
  run_after: [{ in: "<3.0", sql: instant(NONE) }, { sql: instant("r.run_after") }],
  started: [{ sql: instant("r.start_date") }],
  ended: [{ sql: instant("r.end_date") }],
} as const satisfies Fields;

const taskFields = {
  task_id: [{ sql: "i.task_id" }],
  map_index: [{ in: "<2.3", sql: "-1" }, { sql: "i.map_index" }],
  state: [{ sql: "i.state" }],
  try_number: [{ sql: "coalesce(i.try_number, 0)" }],
  started: [{ sql: instant("i.start_date") }],
} as const satisfies Fields;

const TASKS = [
  { in: "<2.2", sql: "dag_run r join task_instance i on i.dag_id = r.dag_id and i.execution_date = r.execution_date" },
  { sql: "dag_run r join task_instance i on i.dag_id = r.dag_id and i.run_id = r.run_id" },
] as const satisfies readonly SqlRow[];

/** The newest serialized form; `packed` is compressed with zlib where an environment asks for that. */
const SERIALIZED = [
  { in: "<2.3", sql: "select s.data::text as data, null::bytea as packed from serialized_dag s where s.dag_id = $1" },
  {
    in: "<3.0",
    sql: "select s.data::text as data, s.data_compressed as packed from serialized_dag s where s.dag_id = $1",
  },
  {
    sql: "select s.data::text as data, s.data_compressed as packed from serialized_dag s where s.dag_id = $1 order by s.created_at desc limit 1",
  },
] as const satisfies readonly SqlRow[];

const BACKFILLS = [
  {
    in: "<3.0",
    sql: `select r.run_id as id, ${instant("r.execution_date")} as from_date, ${instant("r.execution_date")} as to_date from dag_run r
      where r.dag_id = $1 and r.state in ('queued', 'running') and r.run_id like 'backfill\\_%' order by r.execution_date`,
  },
  {
    sql: `select b.id::text as id, ${instant("b.from_date")} as from_date, ${instant("b.to_date")} as to_date from backfill b
      where b.dag_id = $1 and b.completed_at is null order by b.id`,
  },
] as const satisfies readonly SqlRow[];

const PENDING_EVENTS: readonly SqlRow[] = [
  {
    in: ">=2.4 <3.0",
    sql: `select d.uri, ${instant("q.created_at")} as created_at from dataset_dag_run_queue q join dataset d on d.id = q.dataset_id
      where q.target_dag_id = $1 order by d.uri`,
  },
  {
    in: ">=3.0",
    sql: `select a.uri, ${instant("q.created_at")} as created_at from asset_dag_run_queue q join asset a on a.id = q.asset_id
      where q.target_dag_id = $1 order by a.uri`,
  },
];

function fieldsOf(fields: Fields, release: Release): string {
  return Object.entries(fields)
    .map(([name, rows]) => `${sqlFor(rows, release) ?? "null"} as ${name}`)
    .join(", ");
}

/** $1: ids, or null for all. */
export function dagsSql(release: Release): string {
  return `select ${fieldsOf(dagFields, release)} from dag d where $1::text[] is null or d.dag_id = any($1) order by d.dag_id collate "C"`;
}

/** $1: DAG, $2: states or null, $3: earliest date or null, $4: limit or null. */
export function runsSql(release: Release, direction: "asc" | "desc"): string {
  return `select ${fieldsOf(runFields, release)} from dag_run r
    where r.dag_id = $1 and ($2::text[] is null or r.state = any($2)) and ($3::timestamptz is null or ${sqlFor(RUN_DATE, release)} >= $3)
    order by ${sqlFor(RUN_ORDER, release)} ${direction}, r.id ${direction} limit $4::bigint`;
}

/** $1: DAG, $2: run, $3: states or null. */
export function tasksSql(release: Release): string {
  return `select ${fieldsOf(taskFields, release)} from ${sqlFor(TASKS, release)}
    where r.dag_id = $1 and r.run_id = $2 and ($3::text[] is null or i.state = any($3)) order by 1, 2`;
}

/** $1: DAG. */
export function serializedSql(release: Release): string {
  return sqlFor(SERIALIZED, release) ?? "";
}

/** $1: DAG. */
export function backfillsSql(release: Release): string {
  return sqlFor(BACKFILLS, release) ?? "";
}

/** $1: DAG; undefined before datasets. */
export function pendingEventsSql(release: Release): string | undefined {
  return sqlFor(PENDING_EVENTS, release);
}

export const importErrorsSql = `select coalesce(e.filename, '') as file, ${instant('e."timestamp"')} as at, coalesce(e.stacktrace, '') as text
  from import_error e order by e.id`;

/** The heartbeat as the health page of Airflow has it: of the newest job, whatever its state. */
export const healthSql = `select ${instant("max(j.latest_heartbeat)")} as heartbeat, ${instant("clock_timestamp()")} as now
  from job j where j.job_type = 'SchedulerJob'`;
