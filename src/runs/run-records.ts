import type { Client } from "pg";
import type { Plan } from "../domain/plan.ts";
import type { ProblemReport } from "../domain/problem.ts";
import type { AuditEntry, RunLife, RunOrder, RunRecord } from "../domain/run.ts";
import { IS_ALIVE } from "./executors.ts";
import { runUnknown, stateLost } from "./problems.ts";
import { type Actor, openStateClient, type StateAddress } from "./state-client.ts";

const RUN = `
  select r.id, r.plan, r.version, r.who, r.host, r.begun_at, r.ended_at, r.wanted, r.limits, r.result, r.problem, r.life, r.read_snapshot, r.way_in,
    case when r.state = 'running' and not exists (select 1 from crosswind_state.executor e
      where starts_with(e.run, r.id) and e.role = 'carrier' and ${IS_ALIVE}) then 'interrupted' else r.state end as state,
    coalesce((select jsonb_agg(jsonb_build_object('id', e.id, 'role', e.role, 'who', e.who, 'host', e.host, 'pid', e.pid,
      'isAlive', ${IS_ALIVE}) order by e.role, e.since) from crosswind_state.executor e where starts_with(e.run, r.id) and e.ended_at is null), '[]') as executors
  from crosswind_state.run r`;

interface RunRow extends Omit<RunRecord, "begunAt" | "endedAt" | "life"> {
  readonly begun_at: Date;
  readonly ended_at: Date | null;
  readonly life: number | null;
  readonly read_snapshot: string | null;
  readonly way_in: RunLife["wayIn"] | null;
}

function toRecord({ begun_at, ended_at, life, read_snapshot, way_in, ...row }: RunRow): RunRecord {
  const isReady = life !== null && read_snapshot !== null && way_in !== null;
  return {
    ...row,
    begunAt: begun_at.toISOString(),
    endedAt: ended_at?.toISOString() ?? null,
    life: isReady ? { life, readSnapshot: read_snapshot, wayIn: way_in } : null,
  };
}

/** How a run left the hands of its carrier. */
export type RunOutcome =
  | { readonly state: "done"; readonly result: unknown }
  | { readonly state: "failed"; readonly problem: ProblemReport }
  | { readonly state: "stopped" | "cancelled" };

export interface BeginRecord extends Actor {
  readonly plan: Plan;
  readonly version: string;
  readonly limits: RunRecord["limits"];
  /** `waiting`: for a worker that carries it. */
  readonly state: "running" | "waiting";
}

/** Runs in the state database: what they are to do, and what became of them. */
export class RunRecords implements AsyncDisposable {
  readonly #client: Client;
  readonly #label: string;

  private constructor(client: Client, label: string) {
    this.#client = client;
    this.#label = label;
  }

  /** Throws STATE_DATABASE_UNREACHABLE, STATE_OF_NEWER_VERSION. */
  static async open(state: StateAddress): Promise<RunRecords> {
    return new RunRecords(await openStateClient(state, "runs"), state.label);
  }

  async #ask<R extends object>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> {
    try {
      return (await this.#client.query<R>(sql, [...values])).rows;
    } catch (error) {
      if (
        typeof (error as { code?: unknown }).code === "string" &&
        /^[0-9A-Z]{5}$/.test((error as { code: string }).code)
      ) {
        // What a server says of a statement is ours to mend; class 57: it shuts down.
        if (!(error as { code: string }).code.startsWith("57")) throw error;
      }
      throw stateLost(
        { where: this.#label, reason: error instanceof Error ? error.message : String(error) },
        { cause: error },
      );
    }
  }

  /** Newest first. */
  async list(most: number): Promise<readonly RunRecord[]> {
    return (await this.#ask<RunRow>(`${RUN} order by r.begun_at desc limit $1`, [most])).map(toRecord);
  }

  async read(id: string): Promise<RunRecord | undefined> {
    const [row] = await this.#ask<RunRow>(`${RUN} where r.id = $1`, [id]);
    return row === undefined ? undefined : toRecord(row);
  }

  /** By the beginning of its id. Throws RUN_UNKNOWN. */
  async find(beginning: string): Promise<RunRecord> {
    const rows = await this.#ask<RunRow>(`${RUN} where starts_with(r.id, $1) limit 2`, [beginning]);
    const [row] = rows;
    if (row === undefined || rows.length > 1) throw runUnknown({ run: beginning, where: this.#label });
    return toRecord(row);
  }

  /** The oldest run of a pair of environments that is not over and not stopped by hand. */
  async next(pair: { readonly source: string; readonly target: string }): Promise<RunRecord | undefined> {
    const [row] = await this.#ask<RunRow>(
      `${RUN} where r.source = $1 and r.target = $2 and r.state in ('waiting', 'running') and r.wanted <> 'cancel' order by r.begun_at limit 1`,
      [pair.source, pair.target],
    );
    return row === undefined ? undefined : toRecord(row);
  }

  /** Records that a run begins or goes on. */
  async begin({ plan, version, limits, state, ...actor }: BeginRecord): Promise<void> {
    await this.#ask(
      `insert into crosswind_state.run (id, plan, source, target, version, who, host, state, limits)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (id) do update set state = excluded.state, limits = excluded.limits, problem = null, ended_at = null,
         life = null, read_snapshot = null, is_loaded = false`,
      [
        plan.id,
        JSON.stringify(plan),
        plan.source.identity,
        plan.target.identity,
        version,
        actor.who,
        actor.host,
        state,
        JSON.stringify(limits),
      ],
    );
    await this.note(plan.id, state === "waiting" ? "handed to workers" : "carried", actor);
  }

  async end(id: string, outcome: RunOutcome, actor: Actor): Promise<void> {
    const result = "result" in outcome ? JSON.stringify(outcome.result) : null;
    const problem = "problem" in outcome ? JSON.stringify(outcome.problem) : null;
    await this.#ask(
      `update crosswind_state.run set state = $2, result = $3, problem = $4, ended_at = now(), life = null, read_snapshot = null where id = $1`,
      [id, outcome.state, result, problem],
    );
    await this.note(id, outcome.state, actor, "problem" in outcome ? { code: outcome.problem.code } : {});
  }

  /** A life of the run that workers can take part in. */
  async publish(id: string, { life, readSnapshot, wayIn }: RunLife): Promise<void> {
    await this.#ask(
      "update crosswind_state.run set life = $2, read_snapshot = $3, way_in = $4, is_loaded = false where id = $1",
      [id, life, readSnapshot, wayIn],
    );
  }

  /** All history is loaded: the read snapshot is no longer needed. */
  async loaded(id: string): Promise<void> {
    await this.#ask("update crosswind_state.run set is_loaded = true where id = $1", [id]);
  }

  /** The life is over; what its carrier leaves is picked up by the next one. */
  async withdraw(id: string): Promise<void> {
    await this.#ask("update crosswind_state.run set life = null, read_snapshot = null where id = $1", [id]);
  }

  /** Asks everybody who takes part to go on, to pause, or to stop for good. A run that nobody carries waits for somebody then. */
  async order(id: string, wanted: RunOrder, actor: Actor): Promise<void> {
    await this.#ask(
      `update crosswind_state.run set wanted = $2,
         state = case when $2 = 'run' and state in ('stopped', 'failed') then 'waiting' else state end where id = $1`,
      [id, wanted],
    );
    await this.note(id, { run: "resume", pause: "pause", cancel: "cancel" }[wanted], actor);
  }

  /** Adds a line to the audit trail. */
  async note(run: string | null, what: string, { who, host }: Actor, detail: object = {}): Promise<void> {
    await this.#ask("insert into crosswind_state.audit (run, what, who, host, detail) values ($1, $2, $3, $4, $5)", [
      run,
      what,
      who,
      host,
      JSON.stringify(detail),
    ]);
  }

  /** Oldest first. */
  async auditOf(run: string): Promise<readonly AuditEntry[]> {
    const rows = await this.#ask<Omit<AuditEntry, "at"> & { readonly at: Date }>(
      "select at, who, host, run, what, detail from crosswind_state.audit where run = $1 order by id",
      [run],
    );
    return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
  }

  /** Who asked last for what is wanted of a run. */
  async lastOrder(run: string): Promise<string> {
    const [row] = await this.#ask<{ who: string; host: string }>(
      "select who, host from crosswind_state.audit where run = $1 and what in ('pause', 'resume', 'cancel') order by id desc limit 1",
      [run],
    );
    return row === undefined ? "somebody" : `${row.who}@${row.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }
}
