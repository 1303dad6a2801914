import { always, columns, defineEntity } from "../define-entity.ts";
import { byRunId, idFromKeyAndTry } from "../sql-fragments.ts";
import { keptRunId, olderRunIdRows } from "./by-run.ts";
import { JOB, tryFields, tryUnset } from "./task-instance.ts";

/**
 * One finished try of a task instance that was followed by another. Its id from 3.0 on is not the live row's: the genuine upgrade makes a
 * new one, here it is made from the key and the try. Source: airflow.models.taskinstancehistory.
 */
export const taskInstanceHistory = defineEntity({
  id: "task_instance_history",
  title: "Earlier tries of task instances",
  tables: [
    { in: ">=2.10 <3.0", table: "task_instance_history", from: byRunId("task_instance_history") },
    { in: ">=3.0", table: "task_instance_history" },
  ],
  key: ["dag_id", "task_id", "run_id", "map_index", "try_number"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  fields: {
    ...columns("dag_id", "task_id", "map_index", "try_number"),
    run_id: keptRunId(),
    older_run_id: olderRunIdRows(),
    task_instance_id: {
      rows: [
        { in: "<3.0", read: idFromKeyAndTry },
        { in: ">=3.0", column: true },
      ],
      lost: "2.x has no ids for task instances",
    },
    ...tryFields,
    // NULL means the task's id in the live row; in the history it is an HTTP 500 on the tries from 3.0 on.
    task_display_name: {
      rows: [
        { in: "<3.0", column: true },
        { in: ">=3.0", column: true, write: "coalesce(c.task_display_name, c.task_id)" },
      ],
    },
    // Without a time zone in every release: migration 0051 changes the live table only.
    trigger_timeout: always(),
  },
  unset: [
    { column: "id", in: "<3.0", reason: "nothing refers to it: the target numbers these rows itself" },
    { column: "job_id", in: "<3.0", reason: JOB },
    ...tryUnset,
  ],
  lost: "releases before 2.10 keep the last try only",
});
