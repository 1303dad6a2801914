import { always, columns, defineEntity, since } from "../define-entity.ts";

/** Copied as history: one that is not complete counts as complete from its last change on, so that the target does not go on with it. */
export const backfill = defineEntity({
  id: "backfill",
  title: "Backfills",
  tables: [{ in: ">=3.0", table: "backfill" }],
  key: ["id"],
  after: [],
  scope: { of: "dag", dag: "dag_id" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["dag_id", "from_date", "to_date"],
  fields: {
    id: always(),
    ...columns(
      "dag_id",
      "from_date",
      "to_date",
      "dag_run_conf",
      "is_paused",
      "reprocess_behavior",
      "max_active_runs",
      "created_at",
      "updated_at",
    ),
    completed_at: [{ column: true, write: "coalesce(c.completed_at, c.updated_at)" }],
    triggering_user_name: { rows: since("3.1"), lost: "releases before 3.1 do not record who triggered a backfill" },
  },
  lost: "2.x has no backfills of its own; their runs are copied",
});

/** The runs of a backfill, and the dates for which it made none. Source: airflow.models.backfill. */
export const backfillDagRun = defineEntity({
  id: "backfill_dag_run",
  title: "DAG runs of backfills",
  tables: [
    {
      in: ">=3.0",
      table: "backfill_dag_run",
      from: "backfill_dag_run s join backfill b on b.id = s.backfill_id left join dag_run r on r.id = s.dag_run_id",
    },
  ],
  key: ["id"],
  after: ["backfill", "dag_run"],
  scope: { of: "run", dag: "dag_id", run: "run_id", runIsOptional: true, time: "logical_date" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["dag_id", "logical_date", "sort_ordinal"],
  leave: [
    {
      where: "c.logical_date is null",
      to: "<3.2",
      reason: "a backfill by partition, which releases before 3.2 do not know, has no date",
    },
  ],
  fields: {
    id: always(),
    backfill_id: { rows: always(), references: "backfill" },
    dag_run_id: { rows: always(), references: "dag_run" },
    ...columns("exception_reason", "logical_date", "sort_ordinal"),
    partition_key: { rows: since("3.2"), lost: "releases before 3.2 know no partitions" },
    dag_id: [{ read: "b.dag_id" }],
    run_id: [{ read: "r.run_id" }],
  },
  lost: "2.x has no backfills of its own; their runs are copied",
});
