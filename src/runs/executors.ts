import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Problem } from "../domain/problem.ts";
import { runTakenOver, stateLost } from "./problems.ts";
import { type Actor, openStateClient, type StateAddress } from "./state-client.ts";

/** `carrier`: leads the run through its course; `worker`: does items of it. */
export type Role = "carrier" | "worker";

/** What the record of the run says now, to whoever takes part. */
export interface Orders {
  readonly wanted: "run" | "pause" | "cancel";
  /** The life that can be taken part in; undefined until its carrier is ready. */
  readonly life?: number;
  readonly isLoaded: boolean;
  readonly hasCarrier: boolean;
}

/** The tag of the process that an executor is part of. */
export function tagOf(executor: string): string {
  return executor.split(" ")[0] ?? executor;
}

/** This process, as the others see it in the state database. */
export interface Presence extends AsyncDisposable {
  readonly id: string;
  /** Resolves when this process has no part in the run any more: STATE_DATABASE_LOST, RUN_TAKEN_OVER. */
  readonly lost: Promise<Problem>;
  readonly orders: () => Orders;
  /** Executors whose work is to be done by others: those that ended, died or give no sign of life. */
  dead(): Promise<readonly string[]>;
  /** Others have their work now. */
  forget(ids: readonly string[]): Promise<void>;
}

export interface PresenceOptions extends Actor {
  readonly state: StateAddress;
  readonly run: string;
  readonly role: Role;
  readonly version: string;
  /** The process, as the sessions that it opens are named: its sessions can be ended when it is dead. */
  readonly tag: string;
}

const BEAT_MS = 1000;
/** Without a sign of life for so long a process counts as dead; what it does later is refused (see the ledger's lives). */
export const EXPIRED_MS = 10_000;
/** A connection that nothing comes through never says good-bye. */
const CLOSE_MS = 1000;
/** The first number of the advisory locks that living executors hold. */
const LOCK_CLASS = 720_115;

/**
 * A lock goes with the connection, so that the end of a process is known at once; the beat tells of those whose connection outlives them: stopped
 * processes, machines without power.
 */
export const IS_ALIVE = `(e.ended_at is null and e.beat_at > now() - interval '${EXPIRED_MS} milliseconds' and exists (
  select 1 from pg_locks l where l.locktype = 'advisory' and l.classid = ${LOCK_CLASS} and l.objid::bigint = e.lock_key and l.objsubid = 2 and l.granted
    and l.database = (select oid from pg_database where datname = current_database())))`;

const BEAT = `with beat as (update crosswind_state.executor set beat_at = now() where id = $1 returning 1)
  select exists (select 1 from beat) as here, r.wanted, r.life, r.is_loaded,
    exists (select 1 from crosswind_state.executor e where e.run = $2 and e.role = 'carrier' and ${IS_ALIVE}) as carried
  from (select 1) one left join crosswind_state.run r on r.id = split_part($2, ' ', 1)`;

interface Beat {
  readonly here: boolean;
  readonly wanted: Orders["wanted"] | null;
  readonly life: number | null;
  readonly is_loaded: boolean | null;
  readonly carried: boolean;
}

async function enter(client: Client, { run, role, version, who, host, tag }: PresenceOptions): Promise<string> {
  const id = `${tag} ${randomUUID()}`;
  const { rows } = await client.query<{ key: number }>("select nextval('crosswind_state.executor_lock')::int as key");
  const key = rows[0]?.key ?? 0;
  // Before the row: an executor without its lock is a dead one.
  await client.query("select pg_advisory_lock($1, $2)", [LOCK_CLASS, key]);
  await client.query(
    `insert into crosswind_state.executor (id, run, role, version, who, host, pid, lock_key) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [id, run, role, version, who, host, process.pid, key],
  );
  return id;
}

function ordersOf(beat: Beat): Orders {
  return {
    wanted: beat.wanted ?? "run",
    ...(beat.life === null ? {} : { life: beat.life }),
    isLoaded: beat.is_loaded ?? false,
    hasCarrier: beat.carried,
  };
}

/** Takes a part in a run: with an id of its own, and a beat that says that this process lives. */
export async function bePresent(options: PresenceOptions): Promise<Presence> {
  const { run, role, state } = options;
  const client = await openStateClient(state, `state of ${role}`);
  const { promise: lost, resolve } = Promise.withResolvers<Problem>();
  const asLost = (error: Error) => resolve(stateLost({ where: state.label, reason: error.message }, { cause: error }));
  client.on("error", asLost);
  const id = await enter(client, options);
  let orders: Orders = { wanted: "run", isLoaded: false, hasCarrier: role === "carrier" };
  let last = performance.now();
  const beat = async () => {
    const since = performance.now() - last;
    // Stopped for longer than that, others have our work: before anything else that has come meanwhile is looked at.
    if (since > EXPIRED_MS) return resolve(runTakenOver({ run }));
    const { rows } = await client.query<Beat>(BEAT, [id, run]);
    const [now] = rows;
    if (now?.here !== true) return resolve(runTakenOver({ run }));
    last = performance.now();
    orders = ordersOf(now);
  };
  await beat();
  const timer = setInterval(() => void beat().catch(asLost), BEAT_MS).unref();
  return {
    id,
    lost,
    orders: () => orders,
    dead: async () => {
      // Whoever carries a run holds its target: any other carrier of it has lost that.
      const { rows } = await client.query<{ id: string }>(
        `select e.id from crosswind_state.executor e where e.run = $2 and e.id <> $1
           and (not ${IS_ALIVE} or (e.role = 'carrier' and $3))`,
        [id, run, role === "carrier"],
      );
      return rows.map((row) => row.id);
    },
    forget: async (ids) => {
      await client.query("delete from crosswind_state.executor where id = any ($1)", [ids]);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      const leave = client
        .query("update crosswind_state.executor set ended_at = now() where id = $1", [id])
        .then(() => client.end());
      await Promise.race([leave.catch(() => undefined), sleep(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}
