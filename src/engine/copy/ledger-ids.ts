import type { RunKey } from "../../domain/plan.ts";
import type { Session } from "../../ports/database.ts";
import type { IdPair, IdRules } from "../translate/translate.ts";

/** How a kept serial id is shifted; ids from `low` to `high` on the target are ours. */
export interface IdRule {
  readonly entity: string;
  readonly offset: number;
  readonly low: number;
  readonly high: number;
  /** Rows that were on the target before and are ours now: under the id that they had there. */
  readonly exceptions: readonly IdPair[];
}

/** The recorded id rules for a source, by entity. */
export async function readIdRules(session: Session, source: string): Promise<readonly IdRule[]> {
  const rows = await session.query<{ entity: string; id_offset: string; low: string; high: string }>(
    "select entity, id_offset, low, high from crosswind.id_rule where source = $1",
    [source],
  );
  const replaced = await session.query<{ source_id: string; target_id: string }>(
    "select source_id, target_id from crosswind.replaced_run where source = $1 order by 1",
    [source],
  );
  const runs = replaced.map((row): IdPair => [Number(row.source_id), Number(row.target_id)]);
  return rows.map((row) => ({
    entity: row.entity,
    offset: Number(row.id_offset),
    low: Number(row.low),
    high: Number(row.high),
    exceptions: row.entity === "dag_run" ? runs : [],
  }));
}

/** Rules as a translation takes them; ids of what the target numbers itself are known later. */
export function idRulesOf(rules: readonly IdRule[], maps: IdRules["maps"] = {}): IdRules {
  return {
    offsets: Object.fromEntries(rules.map((rule) => [rule.entity, rule.offset])),
    exceptions: Object.fromEntries(rules.map((rule) => [rule.entity, rule.exceptions])),
    maps,
  };
}

/** Records that a run of the target becomes the source's, under the target's id. */
export async function writeReplacedRun(
  session: Session,
  source: string,
  run: RunKey & { readonly ids: IdPair },
): Promise<void> {
  await session.query(
    `insert into crosswind.replaced_run (source, dag_id, run_id, source_id, target_id) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [source, run.dag_id, run.run_id, ...run.ids],
  );
}

/** Records an id rule; the first one stays. */
export async function writeIdRule(session: Session, source: string, rule: Omit<IdRule, "exceptions">): Promise<void> {
  await session.query(
    "insert into crosswind.id_rule (source, entity, id_offset, low, high) values ($1, $2, $3, $4, $5) on conflict do nothing",
    [source, rule.entity, rule.offset, rule.low, rule.high],
  );
}
