import { columns, defineEntity } from "../define-entity.ts";
import { keptRunId, olderRunIdRows } from "./by-run.ts";

/** How many items a task gave to the tasks that are mapped over it. Source: airflow.models.taskmap. */
export const taskMap = defineEntity({
  id: "task_map",
  title: "Lengths of mapped results",
  tables: [{ in: ">=2.3", table: "task_map" }],
  key: ["dag_id", "task_id", "run_id", "map_index"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  fields: {
    ...columns("dag_id", "task_id", "map_index", "length", "keys"),
    run_id: keptRunId(),
    older_run_id: olderRunIdRows(),
  },
  lost: "releases before 2.3 have no mapped tasks",
});
