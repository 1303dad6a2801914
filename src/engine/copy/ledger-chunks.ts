import { createHash } from "node:crypto";
import type { Session } from "../../ports/database.ts";
import { lifeOver } from "./problems.ts";
import type { Mark } from "./snapshot.ts";

/** Chunks of history: objects are one chunk each, and what changed meanwhile comes in chunks of its own. */
const IS_HISTORY = "chunk <> 'all' and chunk not like 'changed since %'";

/**
 * The name of the chunk that brings an entity up to date. By the whole snapshot: two of them with the same oldest open transaction may see
 * different rows.
 */
export function deltaName(since: string, { xid, snapshot }: Mark): string {
  return `changed since ${since} at ${xid} ${createHash("sha256").update(snapshot).digest("hex").slice(0, 16)}`;
}

/** The name of the chunk that brings the same rows once more, with the ids of rows of their own kind that they refer to. */
export function referencesName(chunk: string): string {
  return `changed since ids of ${chunk}`;
}

/** Entities of which the run brought rows. */
export async function readBegunEntities(session: Session, run: string): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ entity: string }>("select distinct entity from crosswind.chunk where run = $1", [
    run,
  ]);
  return new Set(rows.map((row) => row.entity));
}

/** Number of chunks of the run's history that are in the target. */
export async function countChunks(session: Session, run: string): Promise<number> {
  const rows = await session.query<{ n: string }>(
    `select count(*) as n from crosswind.chunk where run = $1 and ${IS_HISTORY}`,
    [run],
  );
  return Number(rows[0]?.n ?? 0);
}

/** True when another run brought history of this source: its rows are there, so this one goes in by merge. */
export async function hasEarlierHistory(
  session: Session,
  run: { readonly id: string; readonly source: string },
): Promise<boolean> {
  const rows = await session.query(
    `select 1 from crosswind.chunk c join crosswind.run r on r.id = c.run where r.source = $1 and r.id <> $2 and ${IS_HISTORY} limit 1`,
    [run.source, run.id],
  );
  return rows.length > 0;
}

interface Claim {
  readonly run: string;
  readonly entity: string;
  readonly chunk: string;
  /** Of the run. Default: it has but one. */
  readonly life?: number;
}

/** The row of the run is held until the chunk is committed: its next life waits for that. */
const CLAIM_IN_LIFE = `with life as (select 1 from crosswind.run where id = $1 and life = $4 for share)
  insert into crosswind.chunk (run, entity, chunk) select $1, $2, $3 from life on conflict do nothing returning 1`;

/**
 * The first statement of a chunk's transaction: true when the chunk is ours to write, false when it is already there. Throws RUN_LIFE_OVER where
 * the run has begun another life.
 */
export async function claimChunk(session: Session, { run, entity, chunk, life }: Claim): Promise<boolean> {
  if (life === undefined) {
    const rows = await session.query(
      "insert into crosswind.chunk (run, entity, chunk) values ($1, $2, $3) on conflict do nothing returning 1",
      [run, entity, chunk],
    );
    return rows.length === 1;
  }
  const rows = await session.query(CLAIM_IN_LIFE, [run, entity, chunk, life]);
  if (rows.length === 1) return true;
  const [now] = await session.query<{ life: number }>("select life from crosswind.run where id = $1", [run]);
  if (now?.life !== life) throw lifeOver({ run });
  return false;
}

/** Records what the chunk wrote, in the same transaction. */
export async function recordChunk(
  session: Session,
  chunk: { run: string; entity: string; chunk: string; rows: number; bytes: number },
): Promise<void> {
  await session.query(
    "update crosswind.chunk set rows = $4, bytes = $5 where run = $1 and entity = $2 and chunk = $3",
    [chunk.run, chunk.entity, chunk.chunk, chunk.rows, chunk.bytes],
  );
}
