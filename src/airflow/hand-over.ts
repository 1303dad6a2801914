import type { Sql } from "../domain/entity.ts";
import { isInRange, type Range, type Release } from "../domain/release.ts";

interface HandOverRow {
  readonly in?: Range;
  readonly sql: Sql;
}

/** Unfinished tasks of the runs `$2` of the DAG `$1`. Source: airflow.utils.state, `State.finished`. */
const UNFINISHED = `t.dag_id = $1 and t.run_id = any ($2::text[])
  and (t.state is null or t.state not in ('success', 'failed', 'skipped', 'upstream_failed', 'removed'))`;

const NEWEST_VERSION = "(select v.id from dag_version v where v.dag_id = $1 order by v.version_number desc limit 1)";

/**
 * What makes a scheduler go on with runs that were copied half done: tasks that have not ended begin again (a deferral or a reschedule is not carried
 * over), and from 3.0 on the run and its tasks need a version of the DAG's code, without which they are never handed to the executor (seen in 3.3.2).
 */
const ROWS: readonly HandOverRow[] = [
  { in: "<2.2", sql: `update task_instance t set state = null where ${UNFINISHED}` },
  {
    in: ">=2.2",
    sql: `update task_instance t set state = null, next_method = null, next_kwargs = null, trigger_timeout = null where ${UNFINISHED}`,
  },
  {
    in: ">=3.0",
    sql: `update task_instance t set dag_version_id = ${NEWEST_VERSION} where t.dag_id = $1 and t.run_id = any ($2::text[])`,
  },
  {
    in: ">=3.0",
    sql: `update dag_run r set created_dag_version_id = ${NEWEST_VERSION} where r.dag_id = $1 and r.run_id = any ($2::text[])`,
  },
];

/** Statements for a target of the release, in order; `$1` is the DAG, `$2` its runs that are handed over, by the target's names. */
export function handOverStatements(release: Release): readonly Sql[] {
  return ROWS.filter((row) => isInRange(release, row.in)).map(({ sql }) => sql);
}
