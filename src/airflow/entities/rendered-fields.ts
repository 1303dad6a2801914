import { always, defineEntity, since } from "../define-entity.ts";
import { byExecutionDate } from "../sql-fragments.ts";
import { isOrphan, keyedByRun, leaveMapped, leaveOrphans, leaveWithoutRun } from "./by-run.ts";

/** The templated fields of a task instance as they were filled in. Source: airflow.models.renderedtifields. */
export const renderedFields = defineEntity({
  id: "rendered_task_instance_fields",
  title: "Rendered templates",
  tables: [
    { in: "<2.3", table: "rendered_task_instance_fields", from: byExecutionDate("rendered_task_instance_fields") },
    { in: ">=2.3", table: "rendered_task_instance_fields" },
  ],
  key: ["dag_id", "task_id", "run_id", "map_index"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  leave: [leaveWithoutRun, leaveOrphans, leaveMapped],
  fields: {
    ...keyedByRun("2.3"),
    rendered_fields: always(),
    k8s_pod_yaml: { rows: since("2.0"), lost: "1.10 has no place for a pod's definition" },
    is_orphan: isOrphan,
  },
});
