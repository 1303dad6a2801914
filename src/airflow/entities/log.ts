import { always, columns, defineEntity, since } from "../define-entity.ts";
import { keptRunId, olderRunIdRows } from "./by-run.ts";

/** The audit log: who did what, and what happened. Refers to nothing and nothing refers to it. Source: airflow.models.log. */
export const log = defineEntity({
  id: "log",
  title: "Audit log",
  tables: "log",
  key: ["id"],
  after: [],
  scope: { of: "run", dag: "dag_id", run: "run_id", runIsOptional: true, time: "dttm" },
  load: "bulk",
  serial: { field: "id", rule: "kept" },
  label: ["dttm", "event"],
  fields: {
    id: always(),
    ...columns("dttm", "dag_id", "task_id", "owner", "extra"),
    // 30 characters up to 2.8, 60 from then on: names of events, which stay recognisable. NULL as the genuine migration 0097 fills it:
    // it is an HTTP 500 on every page of the log that has such a row.
    event: [
      { in: "<2.9", column: true, write: "left(coalesce(c.event, ''), 30)" },
      { in: ">=2.9", column: true, write: "coalesce(c.event, '')" },
    ],
    logical_date: [
      { in: "<3.0", column: "execution_date" },
      { in: ">=3.0", column: true },
    ],
    map_index: { rows: since("2.3"), lost: "releases before 2.3 have no mapped tasks" },
    owner_display_name: { rows: since("2.8"), lost: "releases before 2.8 have no place for a user's full name" },
    run_id: {
      rows: [{ in: "<2.9" }, ...keptRunId("2.9")],
      lost: "releases before 2.9 name the run's date only",
    },
    older_run_id: olderRunIdRows(),
    try_number: { rows: since("2.10"), lost: "releases before 2.10 have no place for it" },
  },
});
