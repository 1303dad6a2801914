import { always, columns, defineEntity } from "../define-entity.ts";

const LOST = "states of tasks and assets are kept from 3.3 on";

/** What a task keeps between its tries. Source: airflow.models.task_state_store. */
export const taskStateStore = defineEntity({
  id: "task_state_store",
  title: "States of tasks",
  tables: [{ in: ">=3.3", table: "task_state_store" }],
  key: ["dag_run_id", "task_id", "map_index", "key"],
  after: ["dag_run"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  label: ["dag_id", "task_id", "run_id", "map_index", "key"],
  fields: {
    dag_run_id: { rows: always(), references: "dag_run" },
    ...columns("dag_id", "task_id", "run_id", "map_index", "key", "value", "updated_at", "expires_at"),
  },
  unset: [{ column: "id", reason: "nothing refers to it: the target numbers these rows itself" }],
  lost: LOST,
});

/** What is kept about an asset between runs. Source: airflow.models.asset_state_store. */
export const assetStateStore = defineEntity({
  id: "asset_state_store",
  title: "States of assets",
  tables: [{ in: ">=3.3", table: "asset_state_store" }],
  key: ["asset_id", "key"],
  after: ["asset"],
  scope: { of: "environment" },
  load: "merge",
  fields: {
    asset_id: { rows: always(), references: "asset" },
    ...columns(
      "key",
      "value",
      "updated_at",
      "last_updated_by_kind",
      "last_updated_by_dag_id",
      "last_updated_by_run_id",
      "last_updated_by_task_id",
      "last_updated_by_map_index",
    ),
  },
  lost: LOST,
});
