import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../../ports/database.ts";
import * as problems from "./problems.ts";

/** One apply at a time in a target's database: the lock is that database's own, and goes with the session, whatever becomes of us. */
const KEY = "hashtext('airflow-crosswind apply')";
/** A server needs a moment to notice that the process before us was killed. */
const WAIT_MS = 5000;
const POLL_MS = 100;

/** Keeps other applies off the target until it is disposed of. Throws APPLY_UNDER_WAY. */
export async function holdTarget(target: Database): Promise<AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const session = resources.use(await target.session());
  for (let waited = 0; ; waited += POLL_MS) {
    const [row] = await session.query<{ held: boolean }>(`select pg_try_advisory_lock(${KEY}) as held`);
    if (row?.held === true) break;
    if (waited >= WAIT_MS) throw problems.applyUnderWay({ where: target.label });
    await sleep(POLL_MS);
  }
  // A connection that was lost has lost the lock, too.
  resources.defer(() =>
    session.query(`select pg_advisory_unlock(${KEY})`).then(
      () => undefined,
      () => undefined,
    ),
  );
  return resources.move();
}
