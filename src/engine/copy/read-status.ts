import type { Session } from "../../ports/database.ts";
import { hasLedger } from "./ledger.ts";

/** One run as the target's ledger knows it. */
export interface RunStatus {
  readonly id: string;
  readonly kind: "copy" | "sync";
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly chunks: number;
  readonly lastChunkAt: string | null;
  readonly leftOutRuns: number;
  readonly entities: readonly { readonly entity: string; readonly rows: number; readonly chunks: number }[];
}

/** How far a DAG has been switched. */
export interface SwitchStatus {
  readonly dagId: string;
  readonly state: string;
  readonly reason?: string;
}

/** The migration's state: its runs, newest first, what is still to be put back on the target, and DAGs that were switched. */
export interface MigrationStatus {
  readonly runs: readonly RunStatus[];
  readonly takenOff: readonly { readonly table: string; readonly name: string }[];
  readonly switches: readonly SwitchStatus[];
}

const RUNS = `
  select r.id::text as id, coalesce(to_jsonb(r) ->> 'kind', 'copy') as kind, r.started_at as started, r.finished_at as finished, coalesce(sum(c.rows), 0) as rows,
    coalesce(sum(c.bytes), 0) as bytes, count(c.chunk) as chunks, max(c.at) as last,
    (select count(*) from crosswind.left_out_run l where l.run = r.id) as left_out
  from crosswind.run r left join crosswind.chunk c on c.run = r.id group by r.id order by r.started_at desc limit 20`;

function iso(value: unknown): string | null {
  return value instanceof Date ? value.toISOString() : null;
}

async function readSwitchStatus(target: Session): Promise<readonly SwitchStatus[]> {
  const [row] = await target.query<{ there: boolean }>(
    "select to_regclass('crosswind.cutover_dag') is not null as there",
  );
  if (row?.there !== true) return [];
  const rows = await target.query<{ dag: string; state: string; reason: string | null }>(
    "select dag_id as dag, state, kept ->> 'reason' as reason from crosswind.cutover_dag order by dag_id",
  );
  return rows.map(({ dag, state, reason }) => ({ dagId: dag, state, ...(reason === null ? {} : { reason }) }));
}

/** Reads the ledger; a target without one has no runs. */
export async function readStatus(target: Session): Promise<MigrationStatus> {
  if (!(await hasLedger(target))) return { runs: [], takenOff: [], switches: [] };
  const runs = await target.query(RUNS);
  const entities = await target.query<{ run: string; entity: string; rows: string; chunks: string }>(
    "select run::text, entity, sum(rows) as rows, count(*) as chunks from crosswind.chunk group by run, entity order by min(at)",
  );
  const takenOff = await target.query<{ table: string; name: string }>(
    `select on_table as "table", name from crosswind.taken_off where restored_at is null order by id`,
  );
  return {
    runs: runs.map((row) => ({
      id: String(row["id"]),
      kind: row["kind"] === "sync" ? "sync" : "copy",
      startedAt: iso(row["started"]) ?? "",
      finishedAt: iso(row["finished"]),
      rows: Number(row["rows"]),
      bytes: Number(row["bytes"]),
      chunks: Number(row["chunks"]),
      lastChunkAt: iso(row["last"]),
      leftOutRuns: Number(row["left_out"]),
      entities: entities
        .filter((each) => each.run === row["id"])
        .map((each) => ({ entity: each.entity, rows: Number(each.rows), chunks: Number(each.chunks) })),
    })),
    takenOff,
    switches: await readSwitchStatus(target),
  };
}
