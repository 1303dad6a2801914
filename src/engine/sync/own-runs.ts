import type { RunKey } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import type { CopyJob } from "../copy/copy-context.ts";
import { readOwnRuns } from "../copy/own-runs.ts";
import { literal } from "../select/filters.ts";
import type { Translation } from "../translate/translate.ts";

interface DagOfBoth {
  readonly job: CopyJob;
  /** DAG runs of the source. */
  readonly dagRun: Translation;
  readonly source: Session;
  readonly dag: string;
}

/**
 * Runs of the source that the target has as its own: it made them while the DAG was live there, and a way back brought them to the source. Both
 * have the id or the logical date in common, which is unique within a DAG. They stay on the target as they are.
 */
export async function runsOfTargetsOwn(target: Session, of: DagOfBoth): Promise<readonly RunKey[]> {
  const { job, dagRun, source, dag } = of;
  const own = await readOwnRuns(target, { side: job.targetSide, source: job.identity, dags: [dag] });
  if (own.length === 0) return [];
  return await source.query<RunKey & Record<string, unknown>>(
    `select c.dag_id, c.run_id from (${dagRun.canonical()}) c where c.dag_id = ${literal(dag)}
     and (c.run_id = any ($1::text[]) or c.logical_date = any ($2::timestamptz[])) order by 2`,
    [own.map((run) => run.run_id), own.flatMap((run) => run.at ?? [])],
  );
}
