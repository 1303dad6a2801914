import { always, columns, defineEntity } from "../define-entity.ts";

/**
 * Where a run's log files are. Source: airflow.models.tasklog. Rows are matched by their text: an id means nothing elsewhere.
 * The row with the largest id is what new runs get (airflow.models.dagrun), so the target's newest must stay the newest.
 */
export const logTemplate = defineEntity({
  id: "log_template",
  title: "Log templates",
  tables: [{ in: ">=2.3", table: "log_template" }],
  key: ["filename", "elasticsearch_id"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped" },
  keepsNewest: true,
  fields: {
    id: always(),
    ...columns("filename", "elasticsearch_id"),
    created_at: { rows: always(), compare: { ignore: "a template that the target already has keeps its own date" } },
  },
  lost: "releases before 2.3 take the layout of log files from their configuration",
});
