import type { Database, Session } from "../../ports/database.ts";
import { createLedger } from "../copy/ledger.ts";
import * as problems from "./problems.ts";

/** In the target's database: who waits for the word to switch, and who gave it. */
const TABLE = `create table if not exists crosswind.cutover_hold (
  source text primary key, who text not null, dags jsonb not null, since timestamptz not null default now(), go_by text);`;

/** Held by the process that waits, and goes with its session. */
const KEY = "hashtext('airflow-crosswind hold')";

/** A cutover that is ready and waits. */
export interface Hold extends AsyncDisposable {
  /** Who gave the word; undefined while nobody has. */
  goneBy(): Promise<string | undefined>;
}

/** Says in the target's database that DAGs wait for the word. One at a time. Throws CUTOVER_UNDER_WAY. */
export async function openHold(
  target: Database,
  { source, who, dags }: { readonly source: string; readonly who: string; readonly dags: readonly string[] },
): Promise<Hold> {
  await using resources = new AsyncDisposableStack();
  const session = resources.use(await target.session());
  const [row] = await session.query<{ held: boolean }>(`select pg_try_advisory_lock(${KEY}) as held`);
  if (row?.held !== true) throw problems.cutoverUnderWay({ where: target.label });
  resources.defer(() =>
    session.query(`select pg_advisory_unlock(${KEY})`).then(
      () => undefined,
      () => undefined,
    ),
  );
  await createLedger(session);
  await session.query(TABLE);
  await session.query(
    `insert into crosswind.cutover_hold (source, who, dags) values ($1, $2, $3)
     on conflict (source) do update set who = excluded.who, dags = excluded.dags, since = now(), go_by = null`,
    [source, who, JSON.stringify(dags)],
  );
  const kept = resources.move();
  return {
    async goneBy() {
      const sql = "select go_by from crosswind.cutover_hold where source = $1";
      const [found] = await session.query<{ go_by: string | null }>(sql, [source]);
      return found?.go_by ?? undefined;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function isHeld(session: Session): Promise<boolean> {
  const [row] = await session.query<{ free: boolean }>(`select pg_try_advisory_lock(${KEY}) as free`);
  if (row?.free !== true) return true;
  await session.query(`select pg_advisory_unlock(${KEY})`);
  return false;
}

/** Gives the word to the cutover that waits; gives its DAGs. Throws CUTOVER_NOTHING_HELD. */
export async function giveWord(target: Database, source: string, who: string): Promise<readonly string[]> {
  await using session = await target.session();
  if (!(await isHeld(session))) throw problems.nothingHeld({ where: target.label });
  const [row] = await session.query<{ dags: readonly string[] }>(
    "update crosswind.cutover_hold set go_by = $2 where source = $1 returning dags",
    [source, who],
  );
  if (row === undefined) throw problems.nothingHeld({ where: target.label });
  return row.dags;
}
