import type { Entity, Sql } from "../../domain/entity.ts";
import type { RunKey } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import { type IdPair, identifier, NO_ID_RULES, type Translation, translate } from "../translate/translate.ts";
import { codecInput } from "./columns.ts";
import type { CopyJob } from "./copy-context.ts";
import { writeReplacedRun } from "./ledger-ids.ts";

interface Sides {
  readonly job: CopyJob;
  /** DAG runs of the source. */
  readonly dagRun: Translation;
}

const PLACE = "place of the row";

/** The target read as a source of its own release, with the place of each row in its table. */
function withPlaces(entity: Entity, { targetSide }: CopyJob): Translation | undefined {
  const fields = { ...entity.fields, [PLACE]: { rows: [{ read: "s.ctid" }] } };
  const sides = { source: targetSide, target: targetSide, ids: NO_ID_RULES, optimistic: true, codecInput };
  return translate({ ...entity, fields }, sides);
}

const RUNS: Sql = "select * from unnest($1::text[], $2::text[]) k(dag_id, run_id)";

async function idsOf(session: Session, translation: Translation, keys: readonly unknown[]) {
  const rows = await session.query<RunKey & { readonly id: number } & Record<string, unknown>>(
    `select c.dag_id, c.run_id, c.id from (${translation.canonical()}) c where (c.dag_id, c.run_id) in (${RUNS})`,
    keys,
  );
  return new Map(rows.map((row) => [JSON.stringify([row.dag_id, row.run_id]), row.id]));
}

/**
 * Makes room for the runs that are replaced: what hangs on them on the target is deleted, the run itself stays under its id, which the
 * ledger remembers. Part of the transaction that records the run: it is done once, or not at all.
 */
export async function makeRoom(source: Session, target: Session, { job, dagRun }: Sides): Promise<void> {
  const { replacedRuns } = job.conflicts;
  if (replacedRuns.length === 0) return;
  const keys = [replacedRuns.map((run) => run.dag_id), replacedRuns.map((run) => run.run_id)];
  const own = withPlaces(dagRun.entity, job);
  if (own === undefined) throw new Error("no release is without DAG runs");
  const [from, to] = [await idsOf(source, dagRun, keys), await idsOf(target, own, keys)];
  for (const run of replacedRuns) {
    const key = JSON.stringify([run.dag_id, run.run_id]);
    const ids = [from.get(key), to.get(key)];
    // Gone on one side since it was planned: nothing to replace any more.
    if (ids.every((id) => id !== undefined))
      await writeReplacedRun(target, job.identity, { ...run, ids: ids as unknown as IdPair });
  }
  for (const entity of job.entities.toReversed()) await deleteRows(target, entity, { job, keys });
}

async function deleteRows(
  target: Session,
  entity: Entity,
  { job, keys }: { readonly job: CopyJob; readonly keys: readonly unknown[] },
): Promise<void> {
  const { scope } = entity;
  // Rows that may belong to no run are the record of what was done (the audit log), not the run's content.
  if (entity.id === "dag_run" || scope.of !== "run" || scope.runIsOptional === true) return;
  const rows = withPlaces(entity, job);
  if (rows === undefined) return;
  await target.query(
    `delete from ${identifier(rows.targetTable)} where ctid in (select c.${identifier(PLACE)} from (${rows.canonical()}) c
     where (c.${identifier(scope.dag)}, c.${identifier(scope.run)}) in (${RUNS}))`,
    keys,
  );
}
