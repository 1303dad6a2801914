import { defineEntity } from "../define-entity.ts";

const DERIVED = "the target's DAG processor writes it when it parses the DAG file";

/**
 * A skeleton for each selected DAG that the target has not parsed yet: paused and stale, so that nothing can start before its cutover.
 * A DAG that is already there is left as it is. Source: airflow.models.dag, `DagModel`.
 */
export const dag = defineEntity({
  id: "dag",
  title: "DAGs (skeleton, paused)",
  // Also for DAGs that are gone but have runs: from 3.0 on a run without its DAG's row is an HTTP 500.
  tables: [
    {
      table: "dag",
      from: "dag s full join (select distinct r.dag_id from dag_run r where r.dag_id is not null) h on h.dag_id = s.dag_id",
    },
  ],
  key: ["dag_id"],
  after: [],
  scope: { of: "dag", dag: "dag_id" },
  load: "merge",
  prepare: [
    {
      in: ">=3.0",
      sql: "insert into dag_bundle (name) select 'dags-folder' where not exists (select 1 from dag_bundle)",
    },
  ],
  fields: {
    dag_id: [{ column: true, read: "coalesce(s.dag_id, h.dag_id)" }],
    is_paused: {
      rows: [{ column: true, write: "true" }],
      compare: { ignore: "every DAG stays paused on the target until its cutover" },
    },
    is_subdag: {
      rows: [
        { in: "<3.0", column: true, write: "coalesce(c.is_subdag, false)" },
        { in: ">=3.0", read: "false" },
      ],
      compare: { ignore: DERIVED },
      lost: "SubDAGs do not exist in Airflow 3",
    },
    // The opposite of 2.x's is_active (migration 0067).
    is_stale: {
      rows: [
        { in: "<3.0", column: "is_active", read: "not s.is_active", write: "false" },
        { in: ">=3.0", column: true, write: "true" },
      ],
      compare: { ignore: DERIVED },
    },
    // Every release's API answers 500 to a list of DAGs with a row without; a DAG that is gone has no parser to fill it in.
    fileloc: {
      rows: [{ column: true, write: "coalesce(c.fileloc, '')" }],
      compare: { ignore: DERIVED },
    },
    max_active_tasks: {
      rows: [
        { in: "<2.0", read: "16" },
        { in: ">=2.0 <2.2", column: "concurrency", write: "coalesce(c.max_active_tasks, 16)" },
        { in: ">=2.2", column: true, write: "coalesce(c.max_active_tasks, 16)" },
      ],
      compare: { ignore: DERIVED },
      lost: "1.10 has no place for it",
    },
    max_active_runs: {
      rows: [
        { in: "<2.1.4", read: "16" },
        { in: ">=2.1.4", column: true, write: "coalesce(c.max_active_runs, 16)" },
      ],
      compare: { ignore: DERIVED },
      lost: "releases before 2.1.4 have no place for it",
    },
    has_task_concurrency_limits: {
      rows: [
        { in: "<2.0", read: "true" },
        { in: ">=2.0", column: true, write: "coalesce(c.has_task_concurrency_limits, true)" },
      ],
      compare: { ignore: DERIVED },
      lost: "1.10 has no place for it",
    },
    max_consecutive_failed_dag_runs: {
      rows: [
        { in: "<2.9", read: "0" },
        { in: ">=2.9", column: true, write: "coalesce(c.max_consecutive_failed_dag_runs, 0)" },
      ],
      compare: { ignore: DERIVED },
      lost: "releases before 2.9 have no place for it",
    },
    bundle_name: {
      rows: [{ in: "<3.0" }, { in: ">=3.0", column: true }],
      onTarget: "(select b.name from dag_bundle b order by b.name <> 'dags-folder', b.name limit 1)",
      compare: { ignore: DERIVED },
      lost: "bundles exist from 3.0 on",
    },
    timetable_type: {
      rows: [
        { in: "<3.2", read: "''" },
        { in: ">=3.2", column: true, write: "coalesce(c.timetable_type, '')" },
      ],
      compare: { ignore: DERIVED },
      lost: "releases before 3.2 have no place for it",
    },
    partition_mapper_info: {
      rows: [
        { in: "<3.3", read: "'[]'::json" },
        { in: ">=3.3", column: true, write: "coalesce(c.partition_mapper_info::text, '[]')::json" },
      ],
      compare: { ignore: DERIVED },
      lost: "releases before 3.3 have no place for it",
    },
  },
  unset: [
    "last_scheduler_run",
    "last_pickled",
    "last_expired",
    "scheduler_lock",
    "pickle_id",
    "owners",
    "description",
    "default_view",
    "schedule_interval",
    "root_dag_id",
    "last_parsed_time",
    "next_dagrun",
    "next_dagrun_create_after",
    "next_dagrun_data_interval_start",
    "next_dagrun_data_interval_end",
    "has_import_errors",
    "processor_subdir",
    "timetable_description",
    "dag_display_name",
    "dataset_expression",
    "relative_fileloc",
    "bundle_version",
    "timetable_summary",
    "asset_expression",
    "last_parse_duration",
    "deadline",
    "exceeds_max_non_backfill",
    "timetable_partitioned",
    "fail_fast",
    "allowed_run_types",
    "next_dagrun_partition_key",
    "next_dagrun_partition_date",
    "timetable_periodic",
  ].map((column) => ({ column, reason: DERIVED })),
});
