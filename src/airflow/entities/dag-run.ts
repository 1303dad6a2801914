import { always, columns, defineEntity, since } from "../define-entity.ts";
import { dateOfRun, olderRunId } from "../sql-fragments.ts";
import { keptRunId, olderRunIdFrom } from "./by-run.ts";

const JOB =
  "job rows are records of living processes and are not copied; a number could mean another job on the target";

/** Before 2.0 the run id's prefix was all there was (airflow.utils.types, migration 2x/0062; `_` matched literally here). */
const TYPE_FROM_RUN_ID = `case when s.run_id ~ '^backfill_' then 'backfill'
  when s.run_id ~ '^scheduled__' then 'scheduled' else 'manual' end`;

/** Run types unknown to a release become the nearest it has: an unknown one is an HTTP 500 on every call about the run. */
const ASSET_AS_DATASET = `case c.run_type when 'asset_triggered' then 'dataset_triggered'
  when 'asset_materialization' then 'manual' when 'operator_triggered' then 'manual' else c.run_type end`;

/** Source: airflow.models.dagrun. `run_after` as the genuine migration 0058 fills it. */
export const dagRun = defineEntity({
  id: "dag_run",
  title: "DAG runs",
  tables: "dag_run",
  key: ["dag_id", "run_id"],
  after: ["log_template", "dag", "backfill"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  leave: [
    {
      where: "c.dag_id is null or c.run_id is null or c.run_date is null",
      reason: "1.10 to 2.1 allowed a DAG run without a DAG, an id or a date; later releases refuse it",
    },
  ],
  distinct: [
    { to: "<3.0", by: ["dag_id", "run_date"] },
    { to: ">=3.0", by: ["dag_id", "logical_date"] },
  ],
  serial: { field: "id", rule: "kept" },
  fields: {
    id: always(),
    ...columns("dag_id", "start_date", "end_date"),
    run_id: keptRunId(),
    older_run_id: olderRunIdFrom(olderRunId("s")),
    logical_date: [
      { in: "<3.0", column: "execution_date", write: "c.run_date" },
      { in: ">=3.0", column: true },
    ],
    // What a run without a logical date, which 3.x allows, is known by before 3.0. The genuine downgrade deletes such runs.
    run_date: [
      { in: "<3.0", read: "s.execution_date" },
      { in: ">=3.0", read: dateOfRun("s") },
    ],
    run_after: {
      rows: [
        { in: "<2.2", read: "s.execution_date" },
        { in: ">=2.2 <3.0", read: "coalesce(s.data_interval_end, s.execution_date)" },
        { in: ">=3.0", column: true },
      ],
      lost: "2.x works it out from the data interval",
    },
    state: [
      { in: "<2.1.3", column: true, write: "case c.state when 'queued' then 'running' else c.state end" },
      { in: ">=2.1.3", column: true },
    ],
    run_type: {
      rows: [
        { in: "<2.0", read: TYPE_FROM_RUN_ID },
        {
          in: ">=2.0 <2.4",
          column: true,
          write: "case when c.run_type in ('backfill', 'scheduled') then c.run_type else 'manual' end",
        },
        {
          in: ">=2.4 <3.0",
          column: true,
          read: "case s.run_type when 'dataset_triggered' then 'asset_triggered' else s.run_type end",
          write: ASSET_AS_DATASET,
        },
        {
          in: ">=3.0 <3.2",
          column: true,
          write:
            "case when c.run_type in ('asset_materialization', 'operator_triggered') then 'manual' else c.run_type end",
        },
        {
          in: ">=3.2 <3.3",
          column: true,
          write: "case c.run_type when 'operator_triggered' then 'manual' else c.run_type end",
        },
        { in: ">=3.3", column: true },
      ],
      lost: "1.10 tells a run's type from its id",
    },
    external_trigger: {
      rows: [
        { in: "<2.2", column: true },
        // NULL is legal, and an HTTP 500 in the API of 2.x. The rule of the genuine downgrade (migration 0059).
        { in: ">=2.2 <3.0", column: true, write: "coalesce(c.external_trigger, c.run_type = 'manual')" },
        { in: ">=3.0", read: "s.run_type in ('manual', 'operator_triggered', 'asset_materialization')" },
      ],
      heldBy: ["run_type"],
    },
    conf: {
      rows: [
        { in: "<3.0", column: true, shape: "pickle" },
        { in: ">=3.0", column: true, shape: "json" },
      ],
      convert: [
        {
          from: "pickle",
          to: "json",
          lane: "codec",
          codec: "conf-pickle-to-json",
          // The empty dict of protocol 5, which nearly every run has: no value in Airflow 3.
          before: "nullif($, '\\x80057d942e'::bytea)",
        },
        { from: "json", to: "pickle", lane: "codec", codec: "conf-json-to-pickle", before: "$::text" },
      ],
    },
    queued_at: {
      rows: [
        { in: "<2.1.3" },
        {
          in: ">=2.1.3 <2.4",
          column: true,
          read: "s.queued_at at time zone 'UTC'",
          write: "c.queued_at at time zone 'UTC'",
        },
        { in: ">=2.4", column: true },
      ],
      lost: "releases before 2.1.3 have no place for it",
    },
    data_interval_start: { rows: since("2.2"), lost: "releases before 2.2 know no data intervals" },
    data_interval_end: { rows: since("2.2"), lost: "releases before 2.2 know no data intervals" },
    // NULL means the template with the smallest id (DagRun.get_log_template), which is another one on the target: said outright.
    log_template_id: {
      rows: [
        { in: "<2.3", read: "1" },
        { in: ">=2.3", column: true, read: "coalesce(s.log_template_id, (select min(t.id) from log_template t))" },
      ],
      references: "log_template",
      lost: "releases before 2.3 take the layout of log files from their configuration",
    },
    updated_at: { rows: since("2.5"), lost: "releases before 2.5 have no place for it" },
    clear_number: { rows: since("2.8", "0"), lost: "releases before 2.8 do not count clearings" },
    triggered_by: { rows: since("3.0"), lost: "2.x does not record what triggered a run" },
    backfill_id: { rows: since("3.0"), references: "backfill", lost: "2.x has no backfills of its own" },
    bundle_version: { rows: since("3.0"), lost: "2.x has no bundles" },
    context_carrier: { rows: since("3.0"), lost: "2.x keeps no trace context" },
    span_status: { rows: since("3.0", "'not_started'"), lost: "2.x keeps no trace spans" },
    triggering_user_name: { rows: since("3.1"), lost: "releases before 3.1 do not record who triggered a run" },
    created_at: { rows: since("3.2"), lost: "releases before 3.2 have no place for it" },
    partition_key: { rows: since("3.2"), lost: "releases before 3.2 know no partitions" },
    partition_date: { rows: since("3.2"), lost: "releases before 3.2 know no partitions" },
  },
  unset: [
    { column: "creating_job_id", reason: JOB },
    { column: "scheduled_by_job_id", reason: JOB },
    { column: "created_dag_version_id", reason: "DAG versions are the target's own; a finished run needs none" },
    {
      column: "last_scheduling_decision",
      reason: "the scheduler's bookkeeping: empty means that it looks at the run first",
    },
    { column: "dag_hash", reason: "the target's DAG processor works it out" },
  ],
});
