import type { Field, FieldRow } from "../../domain/entity.ts";
import { columns, defineEntity, since } from "../define-entity.ts";
import { historyTable, idFromKey, idFromKeyUnmapped } from "../sql-fragments.ts";
import { keyedByRun, leaveMapped, leaveWithoutRun } from "./by-run.ts";

/** Why no number of a job is copied. */
export const JOB =
  "job rows are records of living processes and are not copied; a number could mean another job on the target";

/**
 * States that a release does not know become the nearest it has (airflow.utils.state; an unknown one is an HTTP 500 in 3.x).
 * `awaiting_input` needs a person's answer that an older release can not take: it reads as not started.
 */
export const state: Field = {
  rows: [
    {
      in: "<2.0",
      column: true,
      write:
        "case c.state when 'restarting' then 'up_for_retry' when 'deferred' then null when 'awaiting_input' then null when 'sensing' then 'failed' else c.state end",
    },
    {
      in: ">=2.0 <2.2",
      column: true,
      write:
        "case c.state when 'restarting' then 'up_for_retry' when 'deferred' then null when 'awaiting_input' then null else c.state end",
    },
    { in: ">=2.2 <2.4", column: true, write: "case c.state when 'awaiting_input' then null else c.state end" },
    {
      in: ">=2.4 <3.0",
      column: true,
      write: "case c.state when 'awaiting_input' then null when 'sensing' then 'failed' else c.state end",
    },
    {
      in: ">=3.0 <3.3",
      column: true,
      write:
        "case when c.state in ('shutdown', 'sensing') then 'failed' when c.state = 'awaiting_input' then null else c.state end",
    },
    { in: ">=3.3", column: true, write: "case when c.state in ('shutdown', 'sensing') then 'failed' else c.state end" },
  ],
};

/**
 * Up to 2.9 the stored number of a task that waits or is deferred is one less than the attempt it is at; from 2.10 on the scheduler counts
 * when it schedules (airflow.models.taskinstance, `try_number` and `schedule_tis`).
 */
const WAITS = "in ('scheduled', 'queued', 'deferred', 'up_for_reschedule')";
export const tryNumber: Field = {
  rows: [
    {
      in: "<2.10",
      column: true,
      read: `s.try_number + case when s.state ${WAITS} then 1 else 0 end`,
      write: `greatest(c.try_number - case when c.state ${WAITS} then 1 else 0 end, 0)`,
    },
    { in: ">=2.10", column: true, write: "coalesce(c.try_number, 0)" },
  ],
};

/** NULL is legal in the tables of 2.x; its models write the empty text instead, and its API answers 500 to a row without. */
function textOf(name: string): readonly FieldRow[] {
  return [
    { in: "<2.2", column: true },
    { in: ">=2.2 <3.0", column: true, write: `coalesce(c.${name}, '')` },
    { in: ">=3.0", column: true },
  ];
}

/** What a task instance and each of its tries in the history have in common. */
export const tryFields = {
  ...columns("start_date", "end_date", "duration", "queue", "priority_weight", "operator", "queued_dttm", "pid"),
  hostname: textOf("hostname"),
  unixname: textOf("unixname"),
  state,
  // A default pool from 1.10.4 on; before, NULL.
  pool: [
    { in: "<2.0", column: true, read: "coalesce(s.pool, 'default_pool')" },
    { in: ">=2.0", column: true },
  ],
  pool_slots: [
    { in: "<2.0", column: true, read: "coalesce(s.pool_slots, 1)" },
    { in: ">=2.0", column: true },
  ],
  // NULL is legal until 3.2, here and in the number of the try, and an HTTP 500 in the API of every release that has one.
  max_tries: [
    { in: "<2.2", column: true },
    { in: ">=2.2", column: true, write: "coalesce(c.max_tries, -1)" },
  ],
  // A pickle in every release, 1.10 to 3.3: passed on byte for byte. Where the API of 2.x refuses NULL, an empty dict (protocol 2).
  executor_config: [
    { in: "<2.2", column: true },
    { in: ">=2.2 <3.0", column: true, write: "coalesce(c.executor_config, '\\x80027d71002e'::bytea)" },
    { in: ">=3.0", column: true },
  ],
  external_executor_id: { rows: since("2.0"), lost: "1.10 has no place for it" },
  next_method: { rows: since("2.2"), lost: "releases before 2.2 can not defer tasks" },
  // From 3.2 on plain JSON, before in Airflow's own encoding, and there an unknown form stops every reader of the row. Only a deferred task
  // needs it, and what is copied is finished.
  next_kwargs: {
    rows: [
      { in: "<2.2" },
      { in: ">=2.2 <3.2", column: true, write: "case when c.is_plain_kwargs then null else c.next_kwargs end" },
      { in: ">=3.2", column: true },
    ],
    lost: "releases before 2.2 can not defer tasks",
  },
  is_plain_kwargs: [
    { in: "<3.2", read: "false" },
    { in: ">=3.2", read: "true" },
  ],
  updated_at: { rows: since("2.5"), lost: "releases before 2.5 have no place for it" },
  custom_operator_name: { rows: since("2.7"), lost: "releases before 2.7 have no place for it" },
  rendered_map_index: { rows: since("2.9"), lost: "releases before 2.9 have no place for it" },
  task_display_name: { rows: since("2.9"), lost: "releases before 2.9 have no place for it" },
  executor: { rows: since("2.10"), lost: "releases before 2.10 know one executor" },
  scheduled_dttm: { rows: since("3.0"), lost: "2.x has no place for it" },
  context_carrier: { rows: since("3.0"), lost: "2.x keeps no trace context" },
  span_status: { rows: since("3.0", "'not_started'"), lost: "2.x keeps no trace spans" },
  retry_delay_override: { rows: since("3.3"), lost: "releases before 3.3 have no place for it" },
  retry_reason: { rows: since("3.3"), lost: "releases before 3.3 have no place for it" },
} as const;

/** What is left out of both, and why. */
export const tryUnset = [
  { column: "queued_by_job_id", reason: JOB },
  { column: "trigger_id", reason: "trigger rows are live state and are not copied" },
  { column: "dag_version_id", reason: "DAG versions are the target's own; a finished task needs none" },
] as const;

/** Source: airflow.models.taskinstance. Identified by the date of its run up to 2.1, by `run_id` from 2.2, mapped from 2.3, with a UUID from 3.0. */
export const taskInstance = defineEntity({
  id: "task_instance",
  title: "Task instances",
  tables: historyTable("task_instance", "2.2"),
  key: ["dag_id", "task_id", "run_id", "map_index"],
  after: ["dag_run"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  leave: [leaveWithoutRun, leaveMapped],
  fields: {
    ...keyedByRun("2.2"),
    id: {
      rows: [
        { in: "<2.3", read: idFromKeyUnmapped },
        { in: ">=2.3 <3.0", read: idFromKey },
        { in: ">=3.0", column: true },
      ],
      lost: "2.x has no ids for task instances",
    },
    try_number: tryNumber,
    ...tryFields,
    trigger_timeout: {
      rows: [
        { in: "<2.2" },
        {
          in: ">=2.2 <3.0",
          column: true,
          read: "s.trigger_timeout at time zone 'UTC'",
          write: "c.trigger_timeout at time zone 'UTC'",
        },
        { in: ">=3.0", column: true },
      ],
      lost: "releases before 2.2 can not defer tasks",
    },
  },
  unset: [
    { column: "job_id", reason: JOB },
    ...tryUnset,
    { column: "last_heartbeat_at", reason: "a sign of life of a process on the source" },
  ],
});
