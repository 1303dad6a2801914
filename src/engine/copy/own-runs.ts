import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import type { RunKey } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import type { Side } from "../translate/translate.ts";
import { dagRunOf } from "./copy-context.ts";
import { hasLedger } from "./ledger.ts";
import { readIdRules } from "./ledger-ids.ts";

/** A run that a target has of its own. `at`: its logical date, as text. */
export interface OwnRun extends RunKey {
  readonly at: string | null;
}

interface OwnRunsOf {
  readonly side: Side;
  /** The source's identity: runs under ids that were given to it are its own. */
  readonly source: string;
  readonly dags: readonly string[];
}

/** Runs of the DAGs that the target has and that are not ours: neither their ids nor the runs themselves are in the ledger. */
export async function readOwnRuns(target: Session, { side, source, dags }: OwnRunsOf): Promise<readonly OwnRun[]> {
  const rules = (await hasLedger(target)) ? await readIdRules(target, source) : [];
  const ours = rules.find(({ entity }) => entity === dagRunEntity.id);
  const runs = dagRunOf({ sourceSide: side }, dagRunEntity).canonical();
  return await target.query<OwnRun & Record<string, unknown>>(
    `select c.dag_id, c.run_id, c.logical_date::text as at from (${runs}) c
     where c.dag_id = any ($1) and not (c.id between $2 and $3) and not (c.id = any ($4))`,
    [dags, ours?.low ?? 0, ours?.high ?? -1, (ours?.exceptions ?? []).map(([, id]) => id)],
  );
}
