import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Session } from "../../ports/database.ts";
import * as problems from "./problems.ts";

/** One apply at a time in a target's database: the lock is that database's own, and goes with the session, whatever becomes of us. */
const KEY = "hashtext('airflow-crosswind apply')";
/** A server needs a moment to notice that the process before us was killed. */
const WAIT_MS = 5000;
const POLL_MS = 100;

/** What holds a target, as its session says to others. */
export type HoldingCommand = "apply" | "sync" | "verify --repair" | "cutover" | "complete" | "cancel";

/** Between what the session is called anyway and the command: the tag that dead sessions are found by stays in front of it. */
const SEPARATOR = ": ";

/** The command that has the lock, as far as its session tells it. */
async function holderOf(session: Session): Promise<string> {
  const [row] = await session.query<{ name: string | null }>(
    `select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.objid = (${KEY}::bigint & 4294967295)::oid
       and l.database = (select oid from pg_database where datname = current_database())`,
  );
  const name = row?.name ?? "";
  return name.startsWith("crosswind ") ? (name.split(SEPARATOR)[1] ?? "command") : "command";
}

/** Keeps other commands that write off the target until it is disposed of. Throws APPLY_UNDER_WAY. */
export async function holdTarget(target: Database, command: HoldingCommand): Promise<AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const session = resources.use(await target.session());
  for (let waited = 0; ; waited += POLL_MS) {
    const [row] = await session.query<{ held: boolean }>(`select pg_try_advisory_lock(${KEY}) as held`);
    if (row?.held === true) break;
    if (waited >= WAIT_MS) {
      throw problems.applyUnderWay({ where: target.label, command: await holderOf(session) });
    }
    await sleep(POLL_MS);
  }
  const [was] = await session.query<{ name: string }>("select current_setting('application_name') as name");
  await session.query("select set_config('application_name', $1, false)", [
    `${was?.name ?? "crosswind target"}${SEPARATOR}${command}`,
  ]);
  // A connection that was lost has lost the lock, too.
  resources.defer(async () => {
    await session.query(`select pg_advisory_unlock(${KEY})`).catch(() => []);
    await session.query("select set_config('application_name', $1, false)", [was?.name ?? ""]).catch(() => []);
  });
  return resources.move();
}
