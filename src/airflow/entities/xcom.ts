import { columns, defineEntity, since } from "../define-entity.ts";
import { byExecutionDate } from "../sql-fragments.ts";
import { isOrphan, keyedByRun, leaveMapped, leaveOrphans, leaveWithoutRun } from "./by-run.ts";

/**
 * Source: airflow.models.xcom. Bytes (JSON text, or a pickle) up to 2.11, jsonb from 3.0 on. Its `dag_run_id` has no foreign key:
 * a wrong one is accepted without a word, so it follows the run's mapping.
 */
export const xcom = defineEntity({
  id: "xcom",
  title: "XComs",
  tables: [
    {
      in: "<2.0",
      table: "xcom",
      from: byExecutionDate("xcom"),
      key: ["dag_id", "task_id", "execution_date", "key"],
    },
    { in: ">=2.0 <2.3", table: "xcom", from: byExecutionDate("xcom") },
    { in: ">=2.3", table: "xcom" },
  ],
  key: ["dag_id", "task_id", "run_id", "map_index", "key"],
  after: ["dag_run", "task_instance"],
  scope: { of: "run", dag: "dag_id", run: "run_id" },
  load: "bulk",
  leave: [
    leaveWithoutRun,
    leaveOrphans,
    leaveMapped,
    {
      where: "c.is_superseded",
      reason: "1.10 kept every value that was pushed under a key; the newest one is the one that is pulled",
    },
    { where: "c.key is null", to: ">=2.0", reason: "an XCom without a key, which 1.10 allowed, can not be pulled" },
  ],
  fields: {
    ...keyedByRun("2.3"),
    ...columns("key", "timestamp"),
    dag_run_id: {
      rows: [
        { in: "<2.3", read: "r.id" },
        { in: ">=2.3", column: true },
      ],
      references: "dag_run",
      heldBy: ["run_id"],
    },
    is_orphan: isOrphan,
    is_superseded: [
      {
        in: "<2.0",
        read: `exists (select 1 from xcom o where o.dag_id = s.dag_id and o.task_id = s.task_id and o.key = s.key
          and o.execution_date = s.execution_date and (o.timestamp, o.id) > (s.timestamp, s.id))`,
      },
      { in: ">=2.0", read: "false" },
    ],
    value: {
      rows: [
        { in: "<3.0", column: true, shape: "bytes" },
        { in: ">=3.0", column: true, shape: "json" },
      ],
      convert: [
        {
          from: "bytes",
          to: "json",
          lane: "sql-or-codec",
          sql: "convert_from($, 'UTF8')::jsonb",
          codec: "xcom-2-to-json",
        },
        { from: "json", to: "bytes", lane: "sql", sql: "convert_to($::text, 'UTF8')" },
      ],
    },
    dag_result: { rows: since("3.3"), lost: "releases before 3.3 have no place for it" },
  },
  needs: [
    {
      from: "<3.0",
      to: "<3.0",
      // A pickle of protocol 2 or later begins with it. 1.10 pickles unless told otherwise, 2.x does not read them unless told so.
      where: "get_byte(substring(c.value from 1 for 1) || '\\x00'::bytea, 0) = 128",
      what: "are pickles: they go over as they are, and a 2.x reads them only with `[core] enable_xcom_pickling` switched on; else a task that pulls one fails, also where it is cleared and run again",
      next: ["set AIRFLOW__CORE__ENABLE_XCOM_PICKLING=True on the target; what it writes then is pickled, too"],
    },
  ],
  unset: [{ column: "id", in: "<2.0", reason: "nothing refers to it" }],
});
