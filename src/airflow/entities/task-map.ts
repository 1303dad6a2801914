import { columns, defineEntity } from "../define-entity.ts";

/** How many items a task gave to the tasks that are mapped over it. Source: airflow.models.taskmap. */
export const taskMap = defineEntity({
  id: "task_map",
  title: "Lengths of mapped results",
  tables: [{ in: ">=2.3", table: "task_map" }],
  key: ["dag_id", "task_id", "run_id", "map_index"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  fields: columns("dag_id", "task_id", "run_id", "map_index", "length", "keys"),
  lost: "releases before 2.3 have no mapped tasks",
});
