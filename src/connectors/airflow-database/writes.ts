import type { Release } from "../../domain/release.ts";
import { type SqlRow, sqlFor } from "./reads.ts";

// Everything that control ever writes to a metadata database, of the source as of the target: whether a DAG is paused, the request for a
// parse, the state of a run that is to end, the four columns of the next run, the variable of the drain policy, and (on the side that goes on) a
// run that was missed.

/** $1: DAG, $2: paused or not. A SubDAG follows the DAG it is part of, as with Airflow's own switch (`DagModel.set_is_paused`). */
const PAUSE: readonly SqlRow[] = [
  {
    in: "<3.0",
    sql: "update dag set is_paused = $2 where (dag_id = $1 or root_dag_id = $1) and is_paused is distinct from $2",
  },
  { sql: "update dag set is_paused = $2 where dag_id = $1 and is_paused is distinct from $2" },
];

/** $1: DAG. The id is the digest that Airflow gives it (airflow/models/dagbag.py, `generate_md5_hash`), so that a request is there once. */
const REQUEST_PARSE: readonly SqlRow[] = [
  {
    in: ">=2.10 <3.0",
    sql: `insert into dag_priority_parsing_request (id, fileloc)
      select md5(d.fileloc), d.fileloc from dag d where d.dag_id = $1 on conflict (id) do nothing`,
  },
  {
    in: ">=3.0",
    sql: `insert into dag_priority_parsing_request (id, bundle_name, relative_fileloc)
      select md5(d.bundle_name || ':' || d.relative_fileloc), d.bundle_name, d.relative_fileloc from dag d where d.dag_id = $1
      on conflict (id) do nothing`,
  },
];

/** $1: DAG, $2: run. Its tasks stay as they are: a scheduler leaves those of an ended run alone. */
const CLOSE_RUN = `update dag_run set state = 'failed', end_date = coalesce(end_date, now())
  where dag_id = $1 and run_id = $2 and state in ('queued', 'running')`;

/** $1: DAG, $2: logical date, $3, $4: interval, $5: from when. */
const NEXT_RUN: readonly SqlRow[] = [
  {
    in: ">=2.2",
    sql: `update dag set next_dagrun = $2, next_dagrun_data_interval_start = $3, next_dagrun_data_interval_end = $4,
      next_dagrun_create_after = $5 where dag_id = $1`,
  },
];

/** $1: name of the variable, $2: its value, JSON and no secret. Airflow takes a value that is not encrypted as it is (airflow/models/variable.py). */
const SET_VARIABLE = `insert into variable (key, val, is_encrypted) values ($1, $2, false)
  on conflict (key) do update set val = excluded.val, is_encrypted = false`;

/** $1: name of the variable. */
const DELETE_VARIABLE = "delete from variable where key = $1";

/** A time as Python's `isoformat` writes it: microseconds only where there are any. */
function isoformat(expression: string): string {
  const utc = `(${expression}) at time zone 'UTC'`;
  return `to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS' || case when date_part('microseconds', ${utc})::bigint % 1000000 = 0 then '' else '.US' end) || '+00:00'`;
}

/** `named`: the moment that a scheduled run has its id from. */
function addRunOf3(named: string): string {
  return `insert into dag_run (dag_id, logical_date, run_id, run_type, state, triggered_by, queued_at, conf, data_interval_start,
        data_interval_end, run_after, log_template_id, created_dag_version_id, bundle_version)
      select d.dag_id, $2::timestamptz, 'scheduled__' || ${isoformat(named)}, 'scheduled', 'queued', 'TIMETABLE', now(), '{}', $3::timestamptz, $4::timestamptz, $4::timestamptz,
        (select max(l.id) from log_template l), v.id, v.bundle_version
      from dag d join lateral (select * from dag_version n where n.dag_id = d.dag_id order by n.version_number desc limit 1) v on true
      where d.dag_id = $1 returning run_id`;
}

/**
 * $1: DAG, $2: logical date, $3, $4: interval. Without task instances: the scheduler makes them, in 2.x because the run has no `dag_hash`.
 * The `conf` of 2.x is the pickle of an empty dict.
 */
const ADD_RUN: readonly SqlRow[] = [
  {
    in: ">=2.2 <2.3",
    sql: `insert into dag_run (dag_id, execution_date, run_id, run_type, state, external_trigger, queued_at, conf, data_interval_start, data_interval_end)
      select d.dag_id, $2::timestamptz, 'scheduled__' || ${isoformat("$2::timestamptz")}, 'scheduled', 'queued', false, now(), '\\x80047d942e'::bytea, $3::timestamptz, $4::timestamptz
      from dag d where d.dag_id = $1 returning run_id`,
  },
  {
    in: ">=2.3 <3.0",
    sql: `insert into dag_run (dag_id, execution_date, run_id, run_type, state, external_trigger, queued_at, conf, data_interval_start,
        data_interval_end, log_template_id)
      select d.dag_id, $2::timestamptz, 'scheduled__' || ${isoformat("$2::timestamptz")}, 'scheduled', 'queued', false, now(), '\\x80047d942e'::bytea, $3::timestamptz, $4::timestamptz,
        (select max(l.id) from log_template l) from dag d where d.dag_id = $1 returning run_id`,
  },
  { in: ">=3.0 <3.2", sql: addRunOf3("$2::timestamptz") },
  { in: ">=3.2", sql: addRunOf3("$4::timestamptz") },
];

/** The statements of a release; undefined: it has no place for that. */
export interface Writes {
  readonly pause: string | undefined;
  readonly requestParse: string | undefined;
  readonly closeRun: string;
  readonly nextRun: string | undefined;
  readonly addRun: string | undefined;
  readonly setVariable: string;
  readonly deleteVariable: string;
}

export function writesFor(release: Release): Writes {
  return {
    pause: sqlFor(PAUSE, release),
    requestParse: sqlFor(REQUEST_PARSE, release),
    closeRun: CLOSE_RUN,
    nextRun: sqlFor(NEXT_RUN, release),
    addRun: sqlFor(ADD_RUN, release),
    setVariable: SET_VARIABLE,
    deleteVariable: DELETE_VARIABLE,
  };
}
