import { Client } from "pg";
import { expect, test } from "vitest";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase } from "../support/database.ts";
import { aFolder, aMigration, emptyTarget, largeSource, problemOf, signalAt, targetKeys } from "./migration.ts";

const LIKE = { dag: "cw_scheduled_7", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;
const TABLES_OF_A_RUN = ["dag_run", "task_instance", "xcom", "rendered_task_instance_fields", "log"] as const;

interface NewRun {
  readonly dag: string;
  readonly run: string;
  readonly state: "success" | "running";
}

/** What the source's Airflow does when a run is worked through: rows like those of a recorded one, with ids that come next. */
async function addRun(source: Client, { dag, run, state }: NewRun): Promise<void> {
  for (const table of TABLES_OF_A_RUN) {
    const { rows } = await source.query<{ name: string }>(
      "select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped",
      [table],
    );
    const others: Readonly<Record<string, string>> = {
      dag_id: `'${dag}'`,
      run_id: `'${run}'`,
      id: `(select max(id) from ${table}) + row_number() over ()`,
      dag_run_id: `(select id from dag_run where dag_id = '${dag}' and run_id = '${run}')`,
      execution_date: "(select max(execution_date) from dag_run) + interval '1 hour'",
      ...(table === "dag_run" ? { state: `'${state}'` } : {}),
    };
    const names = rows.map((row) => row.name);
    await source.query(
      `insert into ${table} (${names.join(", ")}) select ${names.map((name) => others[name] ?? name).join(", ")}
       from ${table} where dag_id = '${LIKE.dag}' and run_id = '${LIKE.run}'`,
    );
  }
}

async function runAll(client: Client, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await client.query(sql);
}

async function changeWhileDown(source: Client): Promise<void> {
  await addRun(source, { dag: "cw_scheduled_7", run: "finished_while_down", state: "success" });
  await addRun(source, { dag: "cw_scheduled_8", run: "opened_while_down", state: "running" });
  await addRun(source, { dag: "born_while_down", run: "finished_while_down", state: "success" });
  await runAll(source, [
    "update task_instance set hostname = 'changed while down' where dag_id in ('cw_scheduled_1', 'cw_scheduled_299')",
    "update dag_run_note set content = 'changed while down' where dag_run_id % 7 = 0",
    "update xcom set value = '\"changed while down\"' where dag_id = 'cw_scheduled_5'",
    "update variable set val = (select val from variable where key = 'seed_text') where key = 'seed_json_3'",
    "insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values ('new_while_down', 'http', false, false)",
    "insert into dataset (uri, extra, created_at, updated_at, is_orphaned) values ('s3://new/while-down', '{}', now(), now(), false)",
    `insert into dataset_event (dataset_id, extra, source_dag_id, source_task_id, source_run_id, source_map_index, timestamp)
     select id, '{}', 'cw_scheduled_7', 'load', 'finished_while_down', -1, now() from dataset where uri = 's3://new/while-down'`,
    // Packed ten times closer, all rows get the numbers of a chunk that is there already.
    "alter table task_instance reset (fillfactor)",
    "vacuum full task_instance",
    "vacuum full log",
  ]);
}

async function changeAgain(source: Client): Promise<void> {
  await addRun(source, { dag: "cw_scheduled_9", run: "finished_at_last", state: "success" });
  await runAll(source, [
    "update task_instance set hostname = 'changed again' where dag_id in ('cw_scheduled_1', 'cw_scheduled_150')",
    "update dag_run set state = 'success' where run_id = 'opened_while_down'",
    "alter table xcom reset (fillfactor)",
    "vacuum full xcom",
  ]);
}

/**
 * What an apply promises that goes on over a working source: everything as of its last read snapshot; a run that one of its snapshots saw
 * open stays behind for the next delta.
 */
test("an apply that is killed brings what a working source did meanwhile, and each row once", async () => {
  const template = await emptyTarget();
  await using database = await freshDatabase({ template: (await largeSource()).template });
  await using target = await freshDatabase({ template });
  await using reference = await freshDatabase({ template });
  await using folder = await aFolder();
  await using resources = new AsyncDisposableStack();
  const open = async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    return resources.adopt(client, (each) => each.end());
  };
  const [source, longTransaction] = [await open(), await open()];
  // Somebody's open transaction: the oldest one of every snapshot, so that their marks are equal.
  await runAll(longTransaction, ["begin", "select txid_current()"]);
  const migration = aMigration(folder, { source: database.url, target: target.url });
  await migration.plan();

  // One lane: of several chunks of task instances only the first is there.
  const first = await migration.apply({
    env: { CROSSWIND_LANES: "1" },
    onStderrLine: signalAt(/"kind":"chunk","entity":"task_instance"/, "SIGKILL"),
  });
  await changeWhileDown(source);
  const second = await migration.apply({ onStderrLine: signalAt(/"kind":"chunk","entity":"xcom"/, "SIGKILL") });
  await changeAgain(source);
  const last = await migration.apply();

  expect([first.signal, second.signal]).toEqual(["SIGKILL", "SIGKILL"]);
  expect(last, problemOf(last)).toMatchObject({ code: 0 });
  await source.query("update dag_run set state = 'running' where run_id = 'opened_while_down'");
  const undisturbed = aMigration(folder, { source: database.url, target: reference.url });
  await undisturbed.plan();
  expect(await undisturbed.apply()).toMatchObject({ code: 0 });
  const differences = await compareTargets(reference.url, target.url, targetKeys);
  // The first apply left room for later ids when there were fewer of them.
  expect(differences.filter((each) => !each.startsWith("sequence "))).toEqual([]);
  expect(await idsBeyondSequence(target.url)).toEqual([{ dag_run: "0", log: "0" }]);
});

async function idsBeyondSequence(url: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const beyond = (table: string) =>
      `(select count(*) from ${table} where id > (select last_value from ${table}_id_seq)) as ${table}`;
    return (await client.query<Record<string, unknown>>(`select ${beyond("dag_run")}, ${beyond("log")}`)).rows;
  } finally {
    await client.end();
  }
}
