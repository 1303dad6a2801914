import { always, columns, defineEntity } from "../define-entity.ts";

/**
 * Where releases before 2.3 put log files: their default, which no table says. Source: `_get_log_template` and synchronize_log_template in
 * airflow.models.dagrun and airflow.utils.db of 2.3.
 */
const LAYOUT_BEFORE_2_3 = `(values (1, '{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log',
  '{dag_id}-{task_id}-{execution_date}-{try_number}', now())) s(id, filename, elasticsearch_id, created_at)`;

/**
 * Where a run's log files are. Source: airflow.models.tasklog. Rows are matched by their text: an id means nothing elsewhere.
 * The row with the largest id is what new runs get (airflow.models.dagrun), so the target's newest must stay the newest.
 */
export const logTemplate = defineEntity({
  id: "log_template",
  title: "Log templates",
  tables: [{ in: ">=2.3", table: "log_template" }],
  constant: { in: "<2.3", from: LAYOUT_BEFORE_2_3 },
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
