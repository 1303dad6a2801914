import type { Field } from "../../domain/entity.ts";
import { always, columns, defineEntity } from "../define-entity.ts";
import { byTaskInstanceId } from "../sql-fragments.ts";

/** `HITLUser`: what the auth manager calls a person, which is a number of ab_user where it is Flask-AppBuilder's (`User.get_id`), and the name. */
const people: Field = { rows: always(), references: "user", idInJson: true };

/** What a person was asked and what they answered. */
const question = {
  ...columns(
    "options",
    "subject",
    "body",
    "defaults",
    "multiple",
    "params",
    "created_at",
    "responded_at",
    "chosen_options",
    "params_input",
  ),
  assignees: people,
  responded_by: people,
} as const;

function keyOf(alias: string) {
  return {
    dag_id: [{ read: `${alias}.dag_id` }],
    task_id: [{ read: `${alias}.task_id` }],
    run_id: [{ read: `${alias}.run_id` }],
    map_index: [{ read: `${alias}.map_index` }],
  } as const;
}

/** Source: airflow.models.hitl, `HITLDetail`. */
export const hitlDetail = defineEntity({
  id: "hitl_detail",
  title: "Questions to people",
  tables: [{ in: ">=3.1", table: "hitl_detail", from: byTaskInstanceId("hitl_detail") }],
  key: ["ti_id"],
  after: ["user", "task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  label: ["dag_id", "task_id", "run_id", "map_index"],
  fields: { ti_id: always(), ...question, ...keyOf("i") },
  lost: "questions to people exist from 3.1 on",
});

/** Source: airflow.models.hitl_history. Hangs on a try in the history. */
export const hitlDetailHistory = defineEntity({
  id: "hitl_detail_history",
  title: "Questions to people in earlier tries",
  tables: [
    {
      in: ">=3.2",
      table: "hitl_detail_history",
      from: "hitl_detail_history s join task_instance_history h on h.task_instance_id = s.ti_history_id",
    },
  ],
  key: ["ti_history_id"],
  after: ["user", "task_instance_history"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  label: ["dag_id", "task_id", "run_id", "map_index", "try_number"],
  fields: { ti_history_id: always(), ...question, ...keyOf("h"), try_number: [{ read: "h.try_number" }] },
  lost: "questions of earlier tries are kept from 3.2 on",
});
