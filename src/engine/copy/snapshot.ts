import type { Database, Session } from "../../ports/database.ts";

/** A position in the source from which later changes can be told. */
export interface Mark {
  /** Oldest transaction that was still open: 32 bits, as `xmin` has them. */
  readonly xid: string;
  /** `pg_current_snapshot()` as text. */
  readonly snapshot: string;
}

/** One read snapshot shared by all readers; open as long as its holder is. */
export interface ReadSnapshot extends AsyncDisposable {
  readonly mark: Mark;
  /** A session that sees exactly what the holder sees. */
  session(): Promise<Session>;
  /** The holder's own session, for small reads. */
  readonly holder: Session;
}

class HeldSnapshot implements ReadSnapshot {
  readonly mark: Mark;
  readonly holder: Session;
  readonly #database: Database;
  readonly #exported: string;

  constructor(database: Database, holder: Session, facts: { readonly mark: Mark; readonly exported: string }) {
    this.#database = database;
    this.holder = holder;
    this.mark = facts.mark;
    this.#exported = facts.exported;
  }

  async session(): Promise<Session> {
    const session = await this.#database.session();
    try {
      await session.joinSnapshot(this.#exported);
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      // The snapshot goes with its holder: that its connection was lost is what happened, not that the snapshot is unknown.
      await this.holder.query("select 1");
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder.query("rollback").catch(() => []);
    await this.holder[Symbol.asyncDispose]();
  }
}

/** Opens and exports a REPEATABLE READ, READ ONLY snapshot of the source and takes the mark that belongs to it. */
export async function openReadSnapshot(source: Database): Promise<ReadSnapshot> {
  const holder = await source.session();
  try {
    await holder.query("begin isolation level repeatable read, read only");
    const [row] = await holder.query<{ exported: string; snapshot: string; xid: string }>(
      `select pg_export_snapshot() as exported, txid_current_snapshot()::text as snapshot,
         (txid_snapshot_xmin(txid_current_snapshot()) % 4294967296)::text as xid`,
    );
    if (row === undefined) throw new Error("the server exported no snapshot");
    return new HeldSnapshot(source, holder, { mark: { xid: row.xid, snapshot: row.snapshot }, exported: row.exported });
  } catch (error) {
    await holder[Symbol.asyncDispose]();
    throw error;
  }
}
