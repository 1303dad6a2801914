import { always, columns, defineEntity } from "../define-entity.ts";

/**
 * Where a run's log files are. Source: airflow.models.tasklog. Rows are matched by their text: an id means nothing elsewhere.
 * `created_at` is not part of it, so that the newest row of the target, which new runs get, stays the newest by id.
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
  fields: {
    id: always(),
    ...columns("filename", "elasticsearch_id"),
    created_at: { rows: always(), compare: { ignore: "a template that the target already has keeps its own date" } },
  },
  lost: "releases before 2.3 take the layout of log files from their configuration",
});
