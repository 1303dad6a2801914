import { pendingEventsSql, settlePendingSql } from "../../airflow/pending-events.ts";
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
 * run begins. Within the transaction of `to`'s session. Deletes only where `to` has seen others: roles that copy need no right to delete otherwise.
 */
export async function carryPendingEvents(dag: string, { from, to }: { from: Side; to: Side }): Promise<void> {
  const settle = settlePendingSql(to.release);
  if (settle === undefined) return;
  const pending = await readPending(from, dag);
  const column = <K extends keyof PendingRow>(name: K) => pending.map((row) => row[name]);
  const values = [dag, column("uri"), column("name"), column("created_at")];
  if ((await to.session.query(settle.findOthers, values)).length > 0)
    await to.session.query(settle.removeOthers, values);
  if (pending.length > 0) await to.session.query(settle.add, values);
}
