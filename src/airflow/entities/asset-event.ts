import { always, columns, defineEntity, since } from "../define-entity.ts";
import { byRunNumber, olderRunIdOf } from "../sql-fragments.ts";
import { olderRunIdFrom } from "./by-run.ts";

/**
 * An update of an asset. It can have started runs of any DAG, so a selection of DAGs does not leave events out: a run that it started points
 * to it. Rows start nothing by themselves, the queue does, and the queue is not copied. Source: airflow.models.asset, `AssetEvent`.
 */
export const assetEvent = defineEntity({
  id: "asset_event",
  title: "Asset events",
  tables: [
    { in: ">=2.4 <3.0", table: "dataset_event" },
    { in: ">=3.0", table: "asset_event" },
  ],
  key: ["id"],
  after: ["asset"],
  scope: { of: "environment" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["asset_id", "timestamp"],
  fields: {
    id: always(),
    asset_id: {
      rows: [
        { in: "<3.0", column: "dataset_id" },
        { in: ">=3.0", column: true },
      ],
      references: "asset",
    },
    ...columns("extra", "source_task_id", "source_dag_id", "source_map_index", "timestamp"),
    source_run_id: [
      { in: "<3.2", column: true, write: "coalesce(c.older_run_id, c.source_run_id)" },
      { in: ">=3.2", column: true },
    ],
    older_run_id: olderRunIdFrom(olderRunIdOf("s.source_dag_id", "s.source_run_id")),
    partition_key: { rows: since("3.2"), lost: "releases before 3.2 know no partitions" },
  },
  lost: "datasets exist from 2.4 on",
});

/** Which events started a run. Source: airflow.models.asset, `association_table` of DAG runs. */
export const dagRunAssetEvent = defineEntity({
  id: "dagrun_asset_event",
  title: "Asset events of DAG runs",
  tables: [
    { in: ">=2.4 <3.0", table: "dagrun_dataset_event", from: byRunNumber("dagrun_dataset_event") },
    { in: ">=3.0", table: "dagrun_asset_event", from: byRunNumber("dagrun_asset_event") },
  ],
  key: ["dag_run_id", "event_id"],
  after: ["dag_run", "asset_event"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  label: ["dag_id", "run_id", "event_id"],
  fields: {
    dag_run_id: { rows: always(), references: "dag_run" },
    event_id: { rows: always(), references: "asset_event" },
    dag_id: [{ read: "r.dag_id" }],
    run_id: [{ read: "r.run_id" }],
  },
  lost: "datasets exist from 2.4 on",
});
