import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Session } from "../../ports/database.ts";
import { writeDagOwner } from "../copy/dag-owners.ts";
import { createLedger } from "../copy/ledger.ts";
import type { SideName } from "./automated-run.ts";
import * as problems from "./problems.ts";
import type { CutoverEvent, DagSwitch } from "./switch-state.ts";

/** In the target's database, beside the rows it is about: whose rows of a DAG count changes in one transaction with its state. */
const TABLES = `
  create table if not exists crosswind.cutover_dag (
    source text not null, dag_id text not null, state text not null, kept jsonb not null, at timestamptz not null default now(),
    primary key (source, dag_id));
  create table if not exists crosswind.cutover_event (
    id bigserial primary key, at timestamptz not null default now(), source text not null, dag_id text not null, state text not null,
    who text not null, what text not null);`;

interface Kept extends Record<string, unknown> {
  readonly kept: DagSwitch;
}

/** Switches from one source, by DAG; none where nothing was ever switched. Makes nothing. */
export async function readSwitches(session: Session, source: string): Promise<readonly DagSwitch[]> {
  const [row] = await session.query<{ there: boolean }>(
    "select to_regclass('crosswind.cutover_dag') is not null as there",
  );
  if (row?.there !== true) return [];
  const rows = await session.query<Kept>("select kept from crosswind.cutover_dag where source = $1 order by dag_id", [
    source,
  ]);
  return rows.map(({ kept }) => kept);
}

/** One line of the record: who did what to which DAG, and when. */
export interface RecordedEvent extends CutoverEvent {
  readonly at: string;
  readonly who: string;
}

/** The record of switches from one source, oldest first. Makes nothing. */
export async function readRecord(session: Session, source: string): Promise<readonly RecordedEvent[]> {
  const [row] = await session.query<{ there: boolean }>(
    "select to_regclass('crosswind.cutover_event') is not null as there",
  );
  if (row?.there !== true) return [];
  const rows = await session.query<{ at: Date; who: string; what: string; state: CutoverEvent["state"]; dag: string }>(
    "select at, who, what, state, dag_id as dag from crosswind.cutover_event where source = $1 order by id",
    [source],
  );
  return rows.map(({ at, who, what, state, dag }) => ({ at: at.toISOString(), who, what, state, dagId: dag }));
}

/** What is known of switches from one source, and who does them. */
export class CutoverLedger {
  readonly #target: Database;
  readonly #source: string;
  readonly #who: string;

  private constructor(target: Database, { source, who }: { readonly source: string; readonly who: string }) {
    this.#target = target;
    this.#source = source;
    this.#who = who;
  }

  /** `source`: the source database's identity; `who`: a person, for the record. */
  static async open(target: Database, by: { readonly source: string; readonly who: string }): Promise<CutoverLedger> {
    await using session = await target.session();
    await createLedger(session);
    await session.query(TABLES);
    return new CutoverLedger(target, by);
  }

  async read(dagId: string): Promise<DagSwitch | undefined> {
    return (await this.readAll()).find((each) => each.dagId === dagId);
  }

  /** By id. */
  async readAll(): Promise<readonly DagSwitch[]> {
    await using session = await this.#target.session();
    return await readSwitches(session, this.#source);
  }

  /** Writes the new state and its line in the record. */
  async write(kept: DagSwitch, what: string): Promise<void> {
    await using session = await this.#target.session();
    await session.transaction(() => this.#write(session, kept, what));
  }

  /** A line of the record about DAGs whose states stay as they are. */
  async note(dagIds: readonly string[], what: string): Promise<void> {
    await using session = await this.#target.session();
    await session.query(
      `insert into crosswind.cutover_event (source, dag_id, state, who, what)
       select $1, id, 'ready', $3, $4 from unnest($2::text[]) id`,
      [this.#source, dagIds, this.#who, what],
    );
  }

  async #write(session: Session, kept: DagSwitch, what: string): Promise<void> {
    await session.query(
      `insert into crosswind.cutover_dag (source, dag_id, state, kept) values ($1, $2, $3, $4)
       on conflict (source, dag_id) do update set state = excluded.state, kept = excluded.kept, at = now()`,
      [this.#source, kept.dagId, kept.state, JSON.stringify(kept)],
    );
    await session.query(
      "insert into crosswind.cutover_event (source, dag_id, state, who, what) values ($1, $2, $3, $4, $5)",
      [this.#source, kept.dagId, kept.state, this.#who, what],
    );
  }

  /**
   * Whose rows of the DAG count from now on, with the new state: both or none. Gives what was kept, with the transaction from which on what the target
   * does to the DAG is its own work.
   */
  async writeOwner(kept: DagSwitch, owner: SideName, what: string): Promise<DagSwitch> {
    await using session = await this.#target.session();
    return await session.transaction(async () => {
      const [row] = await session.query<{ xid: string }>("select (txid_current() % 4294967296)::text as xid");
      const isNew = owner === "target" && kept.direction === "forward";
      const written = isNew && row !== undefined ? { ...kept, liveXid: row.xid } : kept;
      await writeDagOwner(session, this.#source, { dag: kept.dagId, owner });
      await this.#write(session, written, what);
      return written;
    });
  }
}

/** The right to pause and unpause: one process at a time has it. */
export interface Lease extends AsyncDisposable {
  /** Throws CUTOVER_LEASE_LOST where it is not held any more. */
  assertHeld(): Promise<void>;
}

const KEY = "hashtext('airflow-crosswind cutover')";
const TAKE = `select pg_try_advisory_lock(${KEY}) as held`;
const WAIT_MS = 5000;
const POLL_MS = 200;

/**
 * Takes the lease: a lock of the target's database, which goes with its connection. `settleMs`, asked when it is held: how long a call may last that
 * its last holder began; that long it is waited before anything is read or done. Throws CUTOVER_UNDER_WAY.
 */
export async function takeLease(target: Database, settleMs: () => Promise<number>): Promise<Lease> {
  const session = await target.session();
  const dispose = () => session[Symbol.asyncDispose]();
  try {
    for (let waited = 0; ; waited += POLL_MS) {
      const [row] = await session.query<{ held: boolean }>(TAKE);
      if (row?.held === true) break;
      if (waited >= WAIT_MS) throw problems.cutoverUnderWay({ where: target.label });
      await sleep(POLL_MS);
    }
    await sleep(await settleMs());
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    async assertHeld() {
      const rows = await session
        .query<{ held: boolean }>(
          `select exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted) as held`,
        )
        .catch(() => []);
      if (rows[0]?.held !== true) throw problems.leaseLost({ where: target.label });
    },
    async [Symbol.asyncDispose]() {
      await session.query(`select pg_advisory_unlock(${KEY})`).catch(() => []);
      await dispose();
    },
  };
}
