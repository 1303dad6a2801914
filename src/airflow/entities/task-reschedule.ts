import { always, columns, defineEntity } from "../define-entity.ts";
import {
  byExecutionDate,
  byRunId,
  byTaskInstanceId,
  dateOfRun,
  idFromKey,
  idFromKeyUnmapped,
} from "../sql-fragments.ts";
import { leaveMapped, leaveWithoutRun, olderRunIdRows } from "./by-run.ts";

const IN_ID = "Airflow 3 finds the task instance by its id";

/** When a sensor gave its slot back, and until when. Source: airflow.models.taskreschedule; keyed by the task instance's id from 3.0 on. */
export const taskReschedule = defineEntity({
  id: "task_reschedule",
  title: "Reschedules of sensors",
  tables: [
    { in: "<2.2", table: "task_reschedule", from: byExecutionDate("task_reschedule") },
    { in: ">=2.2 <3.0", table: "task_reschedule", from: byRunId("task_reschedule") },
    { in: ">=3.0", table: "task_reschedule", from: byTaskInstanceId("task_reschedule") },
  ],
  key: ["id"],
  after: ["task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["dag_id", "task_id", "run_id", "map_index", "start_date"],
  leave: [leaveWithoutRun, leaveMapped],
  fields: {
    id: always(),
    ...columns("start_date", "end_date", "duration", "reschedule_date"),
    dag_id: {
      rows: [
        { in: "<3.0", column: true },
        { in: ">=3.0", read: "i.dag_id" },
      ],
      lost: IN_ID,
    },
    task_id: {
      rows: [
        { in: "<3.0", column: true },
        { in: ">=3.0", read: "i.task_id" },
      ],
      lost: IN_ID,
    },
    older_run_id: olderRunIdRows("i"),
    run_id: {
      rows: [
        { in: "<2.2", read: "r.run_id" },
        { in: ">=2.2 <3.0", column: true, write: "coalesce(c.older_run_id, c.run_id)" },
        { in: ">=3.0", read: "i.run_id" },
      ],
      lost: "before 2.2 the run's date takes its place, from 3.0 on the task instance's id",
    },
    map_index: {
      rows: [
        { in: "<2.3", read: "-1" },
        { in: ">=2.3 <3.0", column: true },
        { in: ">=3.0", read: "i.map_index" },
      ],
      lost: "releases before 2.3 have no mapped tasks, from 3.0 on the task instance's id takes its place",
    },
    execution_date: {
      rows: [
        { in: "<2.2", column: true },
        { in: ">=2.2 <3.0", read: "r.execution_date" },
        {
          in: ">=3.0",
          read: `(select ${dateOfRun("d")} from dag_run d where d.dag_id = i.dag_id and d.run_id = i.run_id)`,
        },
      ],
      heldBy: ["run_id"],
    },
    // Airflow 3 deletes the reschedules of a try before the next one, so they are those of the task instance's try.
    try_number: {
      rows: [
        { in: "<3.0", column: true },
        { in: ">=3.0", read: "coalesce(i.try_number, 1)" },
      ],
      lost: "Airflow 3 keeps reschedules by the task instance's id, without the try",
    },
    ti_id: {
      rows: [
        { in: "<2.3", read: idFromKeyUnmapped },
        { in: ">=2.3 <3.0", read: idFromKey },
        { in: ">=3.0", column: true },
      ],
      heldBy: ["dag_id", "task_id", "run_id", "map_index"],
    },
  },
});
