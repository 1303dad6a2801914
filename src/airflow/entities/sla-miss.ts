import { columns, defineEntity } from "../define-entity.ts";
import { byExecutionDate } from "../sql-fragments.ts";

/** A missed service level. Keyed by the run's date in every release, whether there was a run or not. Source: airflow.models.slamiss. */
export const slaMiss = defineEntity({
  id: "sla_miss",
  title: "Missed service levels",
  tables: [{ in: "<3.0", table: "sla_miss", from: byExecutionDate("sla_miss") }],
  key: ["dag_id", "task_id", "execution_date"],
  after: [],
  scope: { of: "run", dag: "dag_id", run: "run_id", runIsOptional: true, time: "execution_date" },
  load: "bulk",
  fields: {
    ...columns("dag_id", "task_id", "execution_date", "email_sent", "timestamp", "description", "notification_sent"),
    run_id: [{ read: "r.run_id" }],
  },
  lost: "Airflow 3 has no service levels; deadlines take their place",
});
