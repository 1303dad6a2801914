import { always, columns, defineEntity } from "../define-entity.ts";
import { byExecutionDate } from "../sql-fragments.ts";
import { isOrphan, keyedByRun, leaveMapped, leaveOrphans, leaveWithoutRun } from "./by-run.ts";

/** When a try failed: for the chart of durations. Source: airflow.models.taskfail, dropped in 3.0 (migration 0044). */
export const taskFail = defineEntity({
  id: "task_fail",
  title: "Failed tries",
  tables: [
    { in: "<2.3", table: "task_fail", from: byExecutionDate("task_fail") },
    { in: ">=2.3 <3.0", table: "task_fail" },
  ],
  key: ["id"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["dag_id", "task_id", "run_id", "map_index", "start_date"],
  leave: [leaveWithoutRun, leaveOrphans, leaveMapped],
  fields: {
    id: always(),
    ...keyedByRun("2.3"),
    ...columns("start_date", "end_date", "duration"),
    is_orphan: isOrphan,
  },
  lost: "Airflow 3 has no such table; the tries themselves are in the history of task instances (from 2.10 on)",
});
