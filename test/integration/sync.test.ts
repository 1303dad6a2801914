import { Client } from "pg";
import { expect, test } from "vitest";
import { decryptToken, encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { Secret } from "../../src/domain/secret.ts";
import { addRun } from "../support/add-run.ts";
import { aFernetKey, anEnvironment, type Environment, migrate, type Ran } from "../support/an-environment.ts";
import { freshDatabase } from "../support/database.ts";
import { differencesToFreshCopy } from "../support/fresh-copy.ts";
import { aMigratedEnvironment } from "../support/migrated-environment.ts";

const LIKE = { dag: "cw_scheduled", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;

interface Entity {
  readonly entity: string;
  readonly inserted: number;
  readonly updated: number;
}

async function sync(environment: Environment, ...args: readonly string[]): Promise<Ran> {
  const ran = await environment.run(["sync", "--json", ...args]);
  expect(ran.code, ran.output).toBe(0);
  return ran;
}

/** Entities of which the delta wrote something, as `entity +inserted ~updated`. */
function written({ json }: Ran): readonly string[] {
  const entities = (json["entities"] ?? []) as readonly Entity[];
  return entities
    .filter(({ inserted, updated }) => inserted + updated > 0)
    .map(({ entity, inserted, updated }) => `${entity} +${inserted} ~${updated}`);
}

test("a delta brings what a working source did, and a second one finds nothing more", async () => {
  await using environment = await aMigratedEnvironment();
  const { source } = environment;
  await addRun(source, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
  await addRun(source, { dag: "born_since", run: "new_and_done", state: "success", like: LIKE });
  for (const sql of [
    "update task_instance set hostname = 'changed since' where dag_id = 'cw_mapped'",
    "update dag_run_note set content = 'changed since'",
    "update xcom set value = '\"changed since\"' where dag_id = 'cw_scheduled' and run_id like '%03-02%'",
    "update variable set val = (select val from variable where key = 'seed_text') where key = 'seed_json'",
    "insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values ('new_since', 'http', false, false)",
    "insert into dataset (uri, extra, created_at, updated_at, is_orphaned) values ('s3://new/since', '{}', now(), now(), false)",
    `insert into dataset_event (dataset_id, extra, source_dag_id, source_task_id, source_run_id, source_map_index, timestamp)
     select id, '{}', 'cw_scheduled', 'load', 'new_and_done', -1, now() from dataset where uri = 's3://new/since'`,
  ])
    await source.query(sql);

  const first = await sync(environment);
  const second = await sync(environment);

  expect(written(first)).toEqual(
    expect.arrayContaining([
      "connection +1 ~0",
      "asset +1 ~0",
      "dag_run +2 ~0",
      "task_instance +4 ~12",
      "asset_event +1 ~0",
    ]),
  );
  expect(written(second)).toEqual([]);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test("a run that was left out comes whole when it has ended, with its early rows", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  await source.query(
    "update dag_run set state = 'success', end_date = now() where dag_id = 'seed_open' and run_id = 'manual__running'",
  );

  const { json } = await sync(environment);

  expect(json["arrivedRuns"]).toBe(1);
  const [row] = await target.query("select count(*)::int as n from task_instance where dag_id = 'seed_open'");
  expect(row).toEqual({ n: 8 });
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test("a run that is open again stays as it was until it ends", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  const run = "dag_id = 'cw_mapped' and run_id = 'manual__mapped'";
  await source.query(`update dag_run set state = 'running', end_date = null where ${run}`);
  await source.query(`update task_instance set state = null, try_number = try_number + 1 where ${run}`);

  const held = await sync(environment);
  const while_open = await target.query(`select state from dag_run where ${run}`);
  await source.query(`update dag_run set state = 'failed', end_date = now() where ${run}`);
  await source.query(`update task_instance set state = 'failed' where ${run}`);
  const arrived = await sync(environment);

  expect(held.json["reopenedRuns"]).toEqual([{ dag_id: "cw_mapped", run_id: "manual__mapped" }]);
  expect(while_open).toEqual([{ state: "success" }]);
  expect(arrived.json["arrivedRuns"]).toBe(1);
  expect(await target.query(`select state from dag_run where ${run}`)).toEqual([{ state: "failed" }]);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test("a DAG that is selected since comes whole; without --reselect it stays away", async () => {
  await using environment = await anEnvironment({ config: 'select:\n  dags: ["cw_*"]' });
  await migrate(environment);
  const config = (dags: string) =>
    `source:\n  database: \${env:SOURCE_DATABASE_URL}\n  fernetKey: \${env:SOURCE_FERNET_KEY}\ntarget:\n  database: \${env:TARGET_DATABASE_URL}\n  fernetKey: \${env:TARGET_FERNET_KEY}\nstate: \${env:STATE_DATABASE_URL}\nselect:\n  dags: [${dags}]\n`;
  await environment.writeConfig(config('"cw_*", "seed_history"'));

  const asPlanned = await sync(environment);
  const reselected = await sync(environment, "--reselect");

  expect([asPlanned.json["arrivedDags"], written(asPlanned)]).toEqual([[], []]);
  expect(reselected.json["arrivedDags"]).toEqual(["seed_history"]);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test("what is deleted on the source is kept and told, or carried over on request", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  for (const sql of [
    "delete from xcom where dag_id = 'cw_scheduled' and run_id like '%03-02%'",
    "delete from log where dag_id = 'cw_mapped'",
    "delete from task_instance where dag_id = 'cw_deleted'",
    "delete from dag_run where dag_id = 'cw_deleted'",
  ])
    await source.query(sql);
  const xcoms = () =>
    target.query("select count(*)::int as n from xcom where dag_id = 'cw_scheduled' and run_id like '%03-02%'");

  const kept = await sync(environment);
  const before = await xcoms();
  const carried = await sync(environment, "--deletions", "carry");

  const deleted = kept.json["deleted"] as readonly { entity: string; dag: string; rows: number; isCarried: boolean }[];
  expect(deleted).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ entity: "xcom", dag: "cw_scheduled", rows: 4, isCarried: false }),
      expect.objectContaining({ entity: "dag_run", dag: "cw_deleted", rows: 1, isCarried: false }),
      expect.objectContaining({ entity: "task_instance", dag: "cw_deleted", rows: 1, isCarried: false }),
    ]),
  );
  expect([before, await xcoms()]).toEqual([[{ n: 4 }], [{ n: 0 }]]);
  expect((carried.json["deleted"] as readonly unknown[]).length).toBe(deleted.length);
  // The DAG itself stays, as any object does.
  expect(await differencesToFreshCopy(environment)).toEqual([
    "dag: 13 rows, not 14; 0 are missing, 1 should not be there",
    expect.stringContaining("cw_deleted"),
  ]);
});

test("rows of transactions and savepoints that were open at the mark come, whatever their ids", async () => {
  await using environment = await anEnvironment();
  const open = new Client({ connectionString: environment.source.url });
  await open.connect();
  try {
    await open.query("begin");
    await addRun(open, { dag: "cw_scheduled", run: "open_at_the_mark", state: "success", like: LIKE });
    await open.query("savepoint inner_one");
    await open.query("update task_instance set hostname = 'from a savepoint' where dag_id = 'cw_outcomes'");
    await open.query("release savepoint inner_one");
    await environment.source.query(
      "insert into log (id, dttm, event, dag_id) values (100000, now(), 'later id, earlier commit', 'cw_scheduled')",
    );
    await migrate(environment);
    await open.query("commit");
  } finally {
    await open.end();
  }

  const { json } = await sync(environment);

  expect((json["entities"] as readonly Entity[]).find(({ entity }) => entity === "dag_run")?.inserted).toBe(1);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test.for(["vacuum freeze", "vacuum full"])("changes are found after a %s", async (vacuum) => {
  await using environment = await aMigratedEnvironment();
  const { source } = environment;
  await source.query("update task_instance set hostname = 'changed since' where dag_id = 'cw_mapped'");
  await addRun(source, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
  for (const table of ["task_instance", "dag_run", "log", "xcom"]) await source.query(`${vacuum} ${table}`);

  await sync(environment);

  expect(await differencesToFreshCopy(environment)).toEqual([]);
});

test("rows of a DAG that is live on the target are left alone", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  await target.query(
    "insert into crosswind.dag_owner (source, dag_id, owner) select source, 'cw_mapped', 'target' from crosswind.run limit 1",
  );
  await target.query("update task_instance set hostname = 'cleared and run again here' where dag_id = 'cw_mapped'");
  await source.query(
    "update task_instance set hostname = 'changed since' where dag_id in ('cw_mapped', 'cw_outcomes')",
  );

  const { json } = await sync(environment, "--deletions", "carry");

  expect(json["liveOnTarget"]).toEqual(["cw_mapped"]);
  expect(
    await target.query(
      "select dag_id, hostname from task_instance where dag_id in ('cw_mapped', 'cw_outcomes') group by 1, 2 order by 1",
    ),
  ).toEqual([
    { dag_id: "cw_mapped", hostname: "cleared and run again here" },
    { dag_id: "cw_outcomes", hostname: "changed since" },
  ]);
});

test("an object of the target's own is not overwritten by a new one of the source: it is told", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  await target.query("insert into variable (key, val, is_encrypted) values ('both', 'the target''s', false)");
  await source.query("insert into variable (key, val, is_encrypted) values ('both', 'the source''s', false)");

  const { json } = await sync(environment);

  expect(json["findings"]).toMatchObject([{ code: "TARGET_HAS_OTHER_OBJECT" }]);
  expect(await target.query("select val from variable where key = 'both'")).toEqual([{ val: "the target's" }]);
});

test("without a copy, from another source, or while one is unfinished there is no delta", async () => {
  await using environment = await anEnvironment();
  await using other = await freshDatabase();
  const first = await environment.run(["sync", "--json"]);
  await migrate(environment);
  await environment.target.query("update crosswind.run set source = 'another/1'");
  const elsewhere = await environment.run(["sync", "--json"]);
  await environment.target.query("delete from crosswind.run");
  await environment.plan();
  await environment.apply();
  await environment.target.query("update crosswind.run set finished_at = null");
  const unfinished = await environment.run(["sync", "--json"]);

  expect([first, elsewhere, unfinished].map(({ code, problem }) => [code, problem?.code])).toEqual([
    [1, "SYNC_NOTHING_COPIED"],
    [1, "SYNC_OTHER_SOURCE"],
    [1, "SYNC_COPY_UNFINISHED"],
  ]);
  expect(other.url).toBeDefined();
});

test("with another key of the target nothing is written: its secrets would be lost", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target } = environment;
  await source.query(
    "update variable set val = (select val from variable where key = 'seed_text') where key = 'seed_json'",
  );
  const secrets = () => target.query("select key, val from variable order by 1");
  const before = await secrets();
  const env = { TARGET_FERNET_KEY: aFernetKey() };

  const delta = await environment.run(["sync", "--json"], { env });
  const repair = await environment.run(["verify", "--repair", "--json"], { env });

  expect([delta, repair].map(({ code, problem }) => [code, problem?.code])).toEqual([
    [1, "TARGET_KEY_UNFIT"],
    [1, "TARGET_KEY_UNFIT"],
  ]);
  expect(await secrets()).toEqual(before);
});

test("with the newest runs of each DAG selected, a DAG that had none then comes when it has", async () => {
  await using environment = await anEnvironment({ config: "select:\n  history: 1" });
  await migrate(environment);
  await addRun(environment.source, { dag: "born_since", run: "new_and_done", state: "success", like: LIKE });

  await sync(environment);

  expect(await environment.target.query("select run_id from dag_run where dag_id = 'born_since'")).toEqual([
    { run_id: "new_and_done" },
  ]);
});

test("of secrets only those are written that changed: all others keep their tokens, although a new one would look different", async () => {
  await using environment = await aMigratedEnvironment();
  const { source, target, variables } = environment;
  const tokens = async () => {
    const rows = await target.query<{ name: string; token: string }>(
      `select 'variable ' || key as name, val as token from variable where is_encrypted
       union all select 'connection ' || conn_id, concat_ws(' ', password, extra) from connection where is_encrypted or is_extra_encrypted`,
    );
    return new Map(rows.map(({ name, token }) => [name, token]));
  };
  const before = await tokens();
  const keys = (name: string) => parseFernetKeys(new Secret(variables[name] ?? ""));
  const secret = encryptToken(keys("SOURCE_FERNET_KEY"), Buffer.from("changed since"));
  await source.query("update variable set val = $1 where key = 'seed_text'", [secret]);

  const { json } = await sync(environment);
  const after = await tokens();
  const again = written(await sync(environment));

  const read = (json["entities"] as readonly (Entity & { read: number })[]).filter(({ entity }) =>
    ["connection", "variable"].includes(entity),
  );
  expect(read.map(({ entity, read: rows, updated }) => [entity, rows, updated])).toEqual([
    ["connection", 0, 0],
    ["variable", 1, 1],
  ]);
  expect([...after].filter(([name, token]) => before.get(name) !== token).map(([name]) => name)).toEqual([
    "variable seed_text",
  ]);
  expect(decryptToken(keys("TARGET_FERNET_KEY"), after.get("variable seed_text") ?? "")?.plain.toString()).toBe(
    "changed since",
  );
  expect(before.size).toBeGreaterThan(3);
  expect(again).toEqual([]);
});
