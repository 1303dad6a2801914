import type { Entity, Field, FieldRow, Sql } from "../../domain/entity.ts";
import type { Release } from "../../domain/release.ts";
import { columns, since } from "../define-entity.ts";
import { dateOfRun, olderRunIdOf } from "../sql-fragments.ts";

type Leave = NonNullable<Entity["leave"]>[number];

/**
 * The key of history that carries its task and run: by the run's date before `release`, by `run_id` from then on. The rows are joined to
 * their run as `r` before `release`.
 */
export function keyedByRun(release: Release) {
  return {
    ...columns("dag_id", "task_id"),
    run_id: {
      rows: [{ in: `<${release}`, read: "r.run_id" }, ...keptRunId(release)],
      lost: `before ${release} the run's date takes its place`,
    },
    older_run_id: olderRunIdRows(),
    map_index: { rows: since("2.3", "-1"), lost: "releases before 2.3 have no mapped tasks" },
    execution_date: executionDate(release),
  } as const satisfies Readonly<Record<string, Field | readonly FieldRow[]>>;
}

/** A run's id in a column, from a release on: before 3.2 as those releases build it. Needs {@link olderRunIdRows}. */
export function keptRunId(from?: Release): readonly FieldRow[] {
  return [
    { in: from === undefined ? "<3.2" : `>=${from} <3.2`, column: true, write: "coalesce(c.older_run_id, c.run_id)" },
    { in: ">=3.2", column: true },
  ];
}

/** The id that releases before 3.2 know the run by. Has no column anywhere. `row`: the alias that has the run's DAG and id. */
export function olderRunIdRows(row = "s"): readonly FieldRow[] {
  return olderRunIdFrom(olderRunIdOf(`${row}.dag_id`, `${row}.run_id`));
}

/** The same, read otherwise. */
export function olderRunIdFrom(read: Sql): readonly FieldRow[] {
  return [{ in: "<3.2" }, { in: ">=3.2", read }];
}

/** The run's date, which keys a row before `release`. */
export function executionDate(release: Release): Field {
  const run = "from dag_run d where d.dag_id = s.dag_id and d.run_id = s.run_id";
  return {
    rows: [
      { in: `<${release}`, column: true },
      { in: `>=${release} <3.0`, read: `(select d.execution_date ${run})` },
      { in: ">=3.0", read: `(select ${dateOfRun("d")} ${run})` },
    ],
    heldBy: ["run_id"],
  };
}

const SAME_TASK = "from task_instance t where t.dag_id = s.dag_id and t.task_id = s.task_id";

/** True for a row whose task instance is gone: nothing kept it from staying behind before 2.3. Has no column anywhere. */
export const isOrphan: readonly FieldRow[] = [
  { in: "<2.2", read: `not exists (select 1 ${SAME_TASK} and t.execution_date = s.execution_date)` },
  { in: ">=2.2 <2.3", read: `not exists (select 1 ${SAME_TASK} and t.run_id = r.run_id)` },
  { in: ">=2.3", read: "false" },
];

/** For entities with `isOrphan`: their tables have a foreign key to the task instance from 2.3 on. */
export const leaveOrphans: Leave = {
  where: "c.is_orphan",
  to: ">=2.3",
  reason: "its task instance was deleted on the source; releases from 2.3 on keep no such row",
};

/** For tables that are keyed by the run's date on older sources. */
export const leaveWithoutRun: Leave = {
  where: "c.run_id is null",
  reason: "its DAG run was deleted on the source; the genuine upgrade to 2.2 puts such rows aside, too",
};

/** For tables that know mapped tasks from 2.3 on. */
export const leaveMapped: Leave = {
  where: "c.map_index >= 0",
  to: "<2.3",
  reason: "releases before 2.3 have no mapped tasks",
};
