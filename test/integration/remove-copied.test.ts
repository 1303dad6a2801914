import { expect, test } from "vitest";
import { anEnvironment, type Environment, migrate } from "../support/an-environment.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

/** What is in a database, but for sequences and a ledger: each table's rows as text, sorted. */
async function content({ target }: Environment): Promise<Readonly<Record<string, readonly string[]>>> {
  const tables = await target.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1",
  );
  const rows: Record<string, readonly string[]> = {};
  for (const { name } of tables) {
    const found = await target.query<{ row: string }>(`select t::text as row from "${name}" t order by 1`);
    if (found.length > 0) rows[name] = found.map(({ row }) => row);
  }
  return rows;
}

async function hasLedger({ target }: Environment): Promise<boolean> {
  const [row] = await target.query<{ there: boolean }>("select to_regnamespace('crosswind') is not null as there");
  return row?.there ?? false;
}

async function remove(environment: Environment, ...args: readonly string[]) {
  const ran = await environment.run(["cancel", "--remove-copied", "--json", ...args]);
  expect(ran.code, ran.output).toBe(0);
  return ran.json["copy"] as {
    readonly isRemoved: boolean;
    readonly entities: readonly { readonly entity: string; readonly removed: number; readonly kept: number }[];
  };
}

test("what was copied, and brought by a delta since, is removed; what the target had is as it was, and a new copy may come", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  await target.query(
    `insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values ('of the target', 'http', false, false);
     insert into slot_pool (pool, slots, include_deferred) values ('of the target', 3, false)`,
  );
  const before = await content(environment);
  await migrate(environment);
  await source.query("update task_instance set hostname = 'changed since' where dag_id = 'cw_mapped'");
  const synced = await environment.run(["sync", "--json"]);

  const told = await remove(environment);
  const isThere = await hasLedger(environment);
  const removed = await remove(environment, "--yes");

  expect(synced.code, synced.output).toBe(0);
  expect(told).toEqual({ ...removed, isRemoved: false });
  expect(isThere).toBe(true);
  expect(removed.entities.filter(({ kept }) => kept > 0)).toEqual([]);
  expect(await hasLedger(environment)).toBe(false);
  const after = await content(environment);
  // Its size was the source's since: an object that was there is brought up to date, and no row of ours.
  // The name of the first bundle stays, too: an Airflow makes it at its first start.
  const { slot_pool: pools, dag_bundle: _bundles, ...rest } = after;
  expect(pools?.length).toBe(before["slot_pool"]?.length);
  expect(rest).toEqual(Object.fromEntries(Object.entries(before).filter(([name]) => name !== "slot_pool")));
  await migrate(environment);
});

test("rows that the target has changed since stay, and so does what they hang on", async () => {
  await using environment = await aMigratedEnvironment();
  const { target } = environment;
  await target.query(
    `update task_instance set hostname = 'run again' where dag_id = 'cw_mapped' and task_id = (
       select min(task_id) from task_instance where dag_id = 'cw_mapped');
     update connection set host = 'of the target now' where conn_id = (select min(conn_id) from connection)`,
  );

  const { entities } = await remove(environment, "--yes");

  const left = await target.query("select distinct dag_id, hostname from task_instance");
  expect(left).toEqual([{ dag_id: "cw_mapped", hostname: "run again" }]);
  const runs = await target.query("select distinct dag_id from dag_run");
  expect(runs).toEqual([{ dag_id: "cw_mapped" }]);
  expect(entities.find(({ entity }) => entity === "dag_run")?.kept).toBeGreaterThan(0);
  expect(await target.query("select host from connection")).toEqual([{ host: "of the target now" }]);
});

test("nothing is removed while DAGs are live on the target, or where nothing was copied", async () => {
  await using environment = await aMigratedEnvironment();
  await using empty = await anEnvironment();
  await environment.target.query(
    "insert into crosswind.dag_owner (source, dag_id, owner) select source, 'cw_mapped', 'target' from crosswind.run limit 1",
  );
  const before = await content(environment);

  const live = await environment.run(["cancel", "--remove-copied", "--yes", "--json"]);
  const nothing = await empty.run(["cancel", "--remove-copied", "--json"]);

  expect(live.problem?.code).toBe("CANCEL_REMOVE_OF_LIVE_DAGS");
  expect(await content(environment)).toEqual(before);
  expect(nothing.problem?.code).toBe("CANCEL_NOTHING_COPIED");
});
