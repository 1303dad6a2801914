import type { Session } from "../../ports/database.ts";
import { hasLedger } from "./ledger.ts";

/** The DAGs whose rows count on the target: no copy, delta or repair writes them. */
export async function readTargetOwnedDags(session: Session, source: string): Promise<readonly string[]> {
  if (!(await hasLedger(session))) return [];
  const [has] = await session.query<{ there: boolean }>(
    "select to_regclass('crosswind.dag_owner') is not null as there",
  );
  if (has?.there !== true) return [];
  const rows = await session.query<{ dag_id: string }>(
    "select dag_id from crosswind.dag_owner where source = $1 and owner = 'target' order by 1",
    [source],
  );
  return rows.map((row) => row.dag_id);
}

/** Says whose rows of a DAG count from now on. */
export async function writeDagOwner(
  session: Session,
  source: string,
  { dag, owner }: { readonly dag: string; readonly owner: "source" | "target" },
): Promise<void> {
  await session.query(
    `insert into crosswind.dag_owner (source, dag_id, owner) values ($1, $2, $3)
     on conflict (source, dag_id) do update set owner = excluded.owner, since = now() where dag_owner.owner <> excluded.owner`,
    [source, dag, owner],
  );
}
