import type { Field } from "../../domain/entity.ts";
import { always, columns, defineEntity } from "../define-entity.ts";
import { byRunId, byRunNumber, byTaskInstanceId, idFromKey } from "../sql-fragments.ts";
import { olderRunIdRows } from "./by-run.ts";

/**
 * Who wrote a note: a number of ab_user up to 2.11, the auth manager's text from 3.0 on (migration 0035), which is that number where it is
 * Flask-AppBuilder's.
 */
const userId: Field = {
  rows: [
    { in: "<3.0", column: true, read: "s.user_id::text" },
    { in: ">=3.0", column: true },
  ],
  references: "user",
  idAsText: true,
  lost: "one of the two sides has no users of Flask-AppBuilder, whose numbers they are",
};

/** Source: airflow.models.dagrun, `DagRunNote`. */
export const dagRunNote = defineEntity({
  id: "dag_run_note",
  title: "Notes on DAG runs",
  tables: [{ in: ">=2.5", table: "dag_run_note", from: byRunNumber("dag_run_note") }],
  key: ["dag_run_id"],
  after: ["user", "dag_run"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  label: ["dag_id", "run_id"],
  fields: {
    dag_run_id: { rows: always(), references: "dag_run" },
    user_id: userId,
    ...columns("content", "created_at", "updated_at"),
    dag_id: [{ read: "r.dag_id" }],
    run_id: [{ read: "r.run_id" }],
  },
  lost: "releases before 2.5 have no notes",
});

const IN_ID = "Airflow 3 finds the task instance by its id";

/** The same key, in a column up to 2.11 and behind the task instance's id from 3.0 on. */
function untilIds(column: string): Field {
  return {
    rows: [
      { in: "<3.0", column: true },
      { in: ">=3.0", read: `i.${column}` },
    ],
    lost: IN_ID,
  };
}

/** Source: airflow.models.taskinstance, `TaskInstanceNote`. Its id in 3.x is that of the task instance, made from the same key. */
export const taskInstanceNote = defineEntity({
  id: "task_instance_note",
  title: "Notes on task instances",
  tables: [
    { in: ">=2.5 <3.0", table: "task_instance_note", from: byRunId("task_instance_note") },
    { in: ">=3.0", table: "task_instance_note", from: byTaskInstanceId("task_instance_note") },
  ],
  key: ["dag_id", "task_id", "run_id", "map_index"],
  after: ["user", "task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  fields: {
    dag_id: untilIds("dag_id"),
    task_id: untilIds("task_id"),
    run_id: {
      rows: [
        { in: "<3.0", column: true, write: "coalesce(c.older_run_id, c.run_id)" },
        { in: ">=3.0", read: "i.run_id" },
      ],
      lost: IN_ID,
    },
    older_run_id: olderRunIdRows("i"),
    map_index: untilIds("map_index"),
    ti_id: {
      rows: [
        { in: "<3.0", read: idFromKey },
        { in: ">=3.0", column: true },
      ],
      heldBy: ["dag_id", "task_id", "run_id", "map_index"],
    },
    user_id: userId,
    ...columns("content", "created_at", "updated_at"),
  },
  lost: "releases before 2.5 have no notes",
});
