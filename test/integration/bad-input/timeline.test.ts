import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { afterEach, describe, expect, test, vi } from "vitest";
import { loadFixture } from "../../../src/databases/postgres/load-fixture.ts";
import { addRun } from "../../support/add-run.ts";
import { anEnvironment, type Environment, migrate } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";
import { differencesToFreshCopy } from "../../support/fresh-copy.ts";
import { type PrivateCluster, privateCluster, whyNoPrivateCluster } from "../../support/private-cluster.ts";

vi.setConfig({ testTimeout: 300_000 });

const SOURCE = join(import.meta.dirname, "../../fixtures/airflow-2.10.5.sql.gz");
const LIKE = { dag: "cw_scheduled", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;
/** Transactions in a file of the commit log, and bytes of such a file. Source: PostgreSQL's `clog.c` and `slru.h`. */
const CLOG_TRANSACTIONS = 2 ** 20;
const CLOG_BYTES = 2 ** 18;

const reason = whyNoPrivateCluster();
if (reason !== undefined) process.stderr.write(`NOT RUN: servers of their own: ${reason}\n`);

/** A source on a server of its own, and the variables that name it. */
async function aSource(resources: AsyncDisposableStack) {
  const cluster = resources.use(await privateCluster());
  await cluster.query("postgres", "create database airflow");
  await loadFixture(cluster.url("airflow"), SOURCE);
  const query = (sql: string) => cluster.query("airflow", sql);
  return { cluster, source: { query }, env: { SOURCE_DATABASE_URL: cluster.url("airflow") } };
}

async function change(source: { readonly query: (sql: string) => Promise<unknown> }): Promise<void> {
  await source.query("update task_instance set hostname = 'changed since' where dag_id = 'cw_mapped'");
  await addRun(source, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
}

async function sync(environment: Environment, env: Readonly<Record<string, string>>) {
  return await environment.run(["sync", "--json"], { env });
}

describe("a source whose server", { skip: reason !== undefined }, () => {
  const resources = { now: new AsyncDisposableStack() };
  afterEach(async () => {
    await resources.now.disposeAsync();
    resources.now = new AsyncDisposableStack();
  });

  test("was replaced by a promoted replica is refused by a delta, and taken by a plan and an apply", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, env } = await aSource(resources.now);
    await migrate(environment, env);
    const replica = resources.now.use(await cluster.standby());
    await cluster.stop("immediate");
    await replica.promote();
    await change({ query: (sql) => replica.query("airflow", sql) });
    const elsewhere = { SOURCE_DATABASE_URL: replica.url("airflow") };

    const refused = await sync(environment, elsewhere);
    const planned = await environment.plan([], { env: elsewhere });
    const applied = await environment.apply([], { env: elsewhere });
    const after = await sync(environment, elsewhere);

    expect([refused.code, refused.problem?.code], refused.output).toEqual([1, "SYNC_OTHER_TIMELINE"]);
    expect(refused.problem?.what).toContain("timeline 1 then, 2 now");
    expectComplete(refused);
    expect([planned.code, applied.code, after.code], planned.output + applied.output + after.output).toEqual([0, 0, 0]);
    expect(await differencesToFreshCopy(environment, elsewhere)).toEqual([]);
  });

  test("follows a promoted one is refused, too, before its first restart point", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, env } = await aSource(resources.now);
    await migrate(environment, env);
    const promoted = resources.now.use(await cluster.standby());
    const follower = resources.now.use(await promoted.standby({ recovery_target_timeline: "latest" }));
    await cluster.stop("immediate");
    await promoted.promote();
    await change({ query: (sql) => promoted.query("airflow", sql) });
    await vi.waitFor(
      async () =>
        expect(
          await follower.query("airflow", "select from task_instance where hostname = 'changed since'"),
        ).not.toEqual([]),
      { timeout: 30_000 },
    );

    const refused = await sync(environment, { SOURCE_DATABASE_URL: follower.url("airflow") });

    expect([refused.code, refused.problem?.code], refused.output).toEqual([1, "SYNC_OTHER_TIMELINE"]);
  });

  test("forgot in a crash what it had counted has its deleted rows told all the same", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, source, env } = await aSource(resources.now);
    await migrate(environment, env);
    await source.query("delete from xcom where dag_id = 'cw_scheduled' and run_id like '%03-02%'");
    await crash(cluster);

    const synced = await sync(environment, env);

    expect(synced.code, synced.output).toBe(0);
    expect(synced.json["deleted"]).toMatchObject([{ entity: "xcom", dag: "cw_scheduled", rows: 4 }]);
  });

  test("is past 2^32 transactions is copied, and its changes are found", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, source, env } = await aSource(resources.now);
    await cluster.stop();
    await cluster.run("pg_resetwal", ["-e", "1"]);
    await cluster.start();
    await migrate(environment, env);
    await change(source);

    const synced = await sync(environment, env);

    const [{ passed } = {}] = await cluster.query("airflow", "select txid_current() > 4294967296 as passed");
    expect(passed).toBe(true);
    expect(synced.code, synced.output).toBe(0);
    expect(await differencesToFreshCopy(environment, env)).toEqual([]);
  });

  test("passes 2^32 transactions after the mark has its changes found on both sides of it", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, source, env } = await aSource(resources.now);
    await approachTheWrap(cluster);
    await migrate(environment, env);
    await source.query("update dag_run_note set content = 'changed before the counter began anew'");
    await cluster.query(
      "airflow",
      "do $$ begin for i in 1..3000 loop perform txid_current(); commit; end loop; end $$",
    );
    await change(source);

    const synced = await sync(environment, env);

    const [{ passed } = {}] = await cluster.query("airflow", "select txid_current() > 4294967296 as passed");
    expect(passed).toBe(true);
    expect(synced.code, synced.output).toBe(0);
    const written = (synced.json["entities"] as readonly { entity: string; updated: number }[]).filter(
      ({ updated }) => updated > 0,
    );
    expect(written.map(({ entity }) => entity)).toEqual(expect.arrayContaining(["dag_run_note", "task_instance"]));
    expect(await differencesToFreshCopy(environment, env)).toEqual([]);
  });

  test("has seen 2^32 transactions since the mark is refused by a delta", async () => {
    const environment = resources.now.use(await anEnvironment());
    const { cluster, env } = await aSource(resources.now);
    await migrate(environment, env);
    await cluster.stop();
    await cluster.run("pg_resetwal", ["-e", "1"]);
    await cluster.start();

    const refused = await sync(environment, env);

    expect([refused.code, refused.problem?.code], refused.output).toEqual([1, "SYNC_MARK_TOO_OLD"]);
    expectComplete(refused);
  });
});

/** Kills one of its processes: the others end, and the server recovers without a new start. */
async function crash(cluster: PrivateCluster): Promise<void> {
  const client = new Client({ connectionString: cluster.url("airflow") });
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  process.kill(rows[0]?.pid ?? 0, "SIGKILL");
  await client.end().catch(() => {});
  await vi.waitFor(() => cluster.query("airflow", "select 1"), { timeout: 30_000, interval: 200 });
}

/** Puts a server a thousand transactions and more before its counter of 32 bits begins anew. */
async function approachTheWrap(cluster: PrivateCluster): Promise<void> {
  const next = 2 ** 32 - 2000;
  await cluster.query("template1", "select 1");
  for (const database of ["postgres", "template1", "airflow"]) await cluster.query(database, "vacuum freeze");
  await cluster.query("postgres", "alter database template0 allow_connections true");
  await cluster.query("template0", "vacuum freeze");
  await cluster.stop();
  await cluster.run("pg_resetwal", ["-x", String(next), "-u", String(next)]);
  const file = Math.floor(next / CLOG_TRANSACTIONS)
    .toString(16)
    .toUpperCase()
    .padStart(4, "0");
  // The next start reads the page of that transaction.
  await writeFile(join(cluster.dataFolder, "pg_xact", file), Buffer.alloc(CLOG_BYTES), { mode: 0o644 });
  await cluster.start();
}
