import { addPendingSql, forgetPendingSql, pendingEventsSql } from "../../airflow/pending-events.ts";
import type { Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";

interface PendingRow extends Readonly<Record<string, unknown>> {
  readonly uri: string;
  readonly name: string | null;
  readonly created_at: string;
}

interface Side {
  readonly session: Session;
  readonly release: Release;
}

async function readPending({ session, release }: Side, dag: string): Promise<readonly PendingRow[]> {
  const sql = pendingEventsSql(release);
  if (sql === undefined) return [];
  // As text: a Date has no microseconds.
  return await session.query<PendingRow>(`select p.uri, p.name, p.created_at::text from (${sql}) p`, [dag]);
}

/**
 * Makes a DAG that is paused on both sides have seen on `to` exactly the events that it has seen on `from`: with the last of those that it waits for, its
 * run begins. Within the transaction of `to`'s session. Gives how many there are.
 */
export async function carryPendingEvents(dag: string, { from, to }: { from: Side; to: Side }): Promise<number> {
  const forget = forgetPendingSql(to.release);
  const add = addPendingSql(to.release);
  if (forget === undefined || add === undefined) return 0;
  const pending = await readPending(from, dag);
  if ((await readPending(to, dag)).length > 0) await to.session.query(forget, [dag]);
  if (pending.length > 0) {
    const column = <K extends keyof PendingRow>(name: K) => pending.map((row) => row[name]);
    await to.session.query(add, [dag, column("uri"), column("name"), column("created_at")]);
  }
  return pending.length;
}
