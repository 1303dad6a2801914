import type { Database, Session } from "../../ports/database.ts";
import type { ChunkSpec } from "./chunks.ts";
import { hasLedger } from "./ledger.ts";
import * as problems from "./problems.ts";

/**
 * The target's own record is the truth of what is there: the state database still tells of chunks that a target has lost which was restored from an
 * older backup. Throws TARGET_SET_BACK where one of the chunks is not in the ledger.
 */
export async function assertAllThere(target: Session, run: string, chunks: readonly ChunkSpec[]): Promise<void> {
  const [row] = await target.query<{ n: string }>(
    `select count(*) as n from unnest($2::text[], $3::text[]) as done (entity, chunk)
     where not exists (select 1 from crosswind.chunk c where c.run = $1 and c.entity = done.entity and c.chunk = done.chunk)`,
    [run, chunks.map(({ entity }) => entity), chunks.map(({ name }) => name)],
  );
  const missing = Number(row?.n ?? 0);
  if (missing > 0) throw problems.targetSetBack({ what: `${missing} of the run's ${chunks.length} finished chunks` });
}

/** Throws TARGET_SET_BACK where the target does not know that a run has ended which the state database tells as done. */
export async function assertEnded(target: Database, run: string): Promise<void> {
  await using session = await target.session();
  const ended = (await hasLedger(session))
    ? await session.query("select 1 from crosswind.run where id = $1 and finished_at is not null", [run])
    : [];
  if (ended.length === 0) throw problems.targetSetBack({ what: "the end of the run" });
}
