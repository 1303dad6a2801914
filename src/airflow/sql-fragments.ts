import type { Sql, TableRow } from "../domain/entity.ts";
import type { Release } from "../domain/release.ts";
import { tableIn } from "./define-entity.ts";

/** What makes a task instance the one it is: SQL expressions of its key, and of its run's date. */
interface TaskInstanceKey {
  readonly dag: Sql;
  readonly task: Sql;
  readonly run: Sql;
  readonly map: Sql;
  readonly date: Sql;
  /** For a try in the history: its number, which sets its id apart from the live row's. */
  readonly attempt?: Sql;
}

/**
 * A UUIDv7 (RFC 9562) for a row from a release that had none: 48 bits of the run's date in milliseconds, so that ids follow time
 * as the index likes it, 12 bits made from the task and 62 from the whole key. Repeated copies agree, and a task that runs again keeps its id.
 * The hashes are those that Postgres partitions tables by, so no release of it may change them; a tenth of the time of md5.
 */
export function taskInstanceId(key: TaskInstanceKey): Sql {
  const parts = [key.dag, key.task, key.run, `(${key.map})::text`, ...(key.attempt ? [`(${key.attempt})::text`] : [])];
  const time = `floor(date_part('epoch', ${key.date}) * 1000)::bigint << 16`;
  // Both halves as numbers: the time, version 7 and the 12 bits; the variant and the 62 bits. The key is put together once: that costs more than its hash.
  const high = `int8send((${time}) | 28672 | (hashtext(${key.task}) & 4095))`;
  const hash = `hashtextextended(${parts.join(" || E'\\x1f' || ")}, 0)`;
  const low = `int8send((${hash} & 4611686018427387903) | (-9223372036854775808)::bigint)`;
  return `encode(${high} || ${low}, 'hex')::uuid`;
}

const KEY = { dag: "s.dag_id", task: "s.task_id", run: "r.run_id", map: "s.map_index", date: "r.execution_date" };

/** The id as above for rows that carry the four-column key and are joined to their run as `r`. */
export const idFromKey: Sql = taskInstanceId(KEY);

/** The same before 2.3, when nothing was mapped. */
export const idFromKeyUnmapped: Sql = taskInstanceId({ ...KEY, map: "-1" });

/** The id of one try in the history. */
export const idFromKeyAndTry: Sql = taskInstanceId({ ...KEY, attempt: "s.try_number" });

/**
 * FROM clause for rows keyed by the run's date, as up to 2.1 (some tables up to 2.2): joined to the run as `r`.
 * Nothing kept these rows from staying behind when their run was deleted, so `r` can be empty.
 */
export function byExecutionDate(table: string): Sql {
  return `${table} s left join dag_run r on r.dag_id = s.dag_id and r.execution_date = s.execution_date`;
}

/** FROM clause for rows keyed by `run_id` whose run's date is needed: joined to the run as `r`. */
export function byRunId(table: string): Sql {
  return `${table} s join dag_run r on r.dag_id = s.dag_id and r.run_id = s.run_id`;
}

/** FROM clause for rows of 3.x that hang on a task instance by its id: joined to it as `i`. */
export function byTaskInstanceId(table: string): Sql {
  return `${table} s join task_instance i on i.id = s.ti_id`;
}

/** FROM clause for rows that name their run by its number: joined to it as `r`. */
export function byRunNumber(table: string): Sql {
  return `${table} s join dag_run r on r.id = s.dag_run_id`;
}

/**
 * The date that releases before 3.0 know a run of 3.x by, `run` being the alias of the run. They need one, and no other run of the DAG may
 * have it: a run without takes the time from which it may run, moved on by a microsecond for every run that is there already.
 */
export function dateOfRun(run: string): Sql {
  return `coalesce(${run}.logical_date, ${run}.run_after + interval '1 microsecond' * (
    select count(*) from dag_run o where o.dag_id = ${run}.dag_id and (o.logical_date = ${run}.run_after
      or o.logical_date is null and o.run_after = ${run}.run_after and o.id < ${run}.id)))`;
}

/**
 * A table of history through time: keyed by the run's date before `release`, by `run_id` from then on;
 * from 3.0 on the run is not needed, because rows have ids of their own.
 */
export function historyTable(table: string, release: Release): readonly TableRow[] {
  return [
    tableIn(`<${release}`, table, byExecutionDate(table)),
    tableIn(`>=${release} <3.0`, table, byRunId(table)),
    tableIn(">=3.0", table),
  ];
}

/**
 * The id that releases before 3.2 give a scheduled run, `run` being the alias of one of 3.2 or later: from its logical date, where the later ones take the
 * moment from which it may run. A scheduler ends when it makes a run whose id is there already under another date. Ids of another form are a custom
 * timetable's own. Source: airflow.jobs.scheduler_job_runner, the calls of `generate_run_id` in 2.11.0, 3.0.6, 3.1.8, 3.2.0 and 3.3.2.
 */
export function olderRunId(run: string): Sql {
  const date = `${run}.logical_date at time zone 'UTC'`;
  const digits = `case when date_part('microseconds', ${date})::bigint % 1000000 = 0 then '' else to_char(${date}, '.US') end`;
  return `case when ${run}.run_type = 'scheduled' and ${run}.logical_date is not null and ${run}.run_id ~ '^scheduled__[0-9]{4}-'
    then 'scheduled__' || to_char(${date}, 'YYYY-MM-DD"T"HH24:MI:SS') || ${digits} || '+00:00' else ${run}.run_id end`;
}

/** The same for a row that names its run by `dag` and `id`; NULL where the run is gone. */
export function olderRunIdOf(dag: Sql, id: Sql): Sql {
  return `(select ${olderRunId("d")} from dag_run d where d.dag_id = ${dag} and d.run_id = ${id})`;
}
