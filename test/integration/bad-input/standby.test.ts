import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { loadFixture } from "../../../src/databases/postgres/load-fixture.ts";
import { addRun } from "../../support/add-run.ts";
import { anEnvironment, migrate } from "../../support/an-environment.ts";
import { differencesToFreshCopy } from "../../support/fresh-copy.ts";
import { type PrivateCluster, privateCluster, whyNoPrivateCluster } from "../../support/private-cluster.ts";

vi.setConfig({ testTimeout: 300_000 });

const SOURCE = join(import.meta.dirname, "../../fixtures/airflow-2.10.5.sql.gz");
const LIKE = { dag: "cw_scheduled", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;
/** A standby that never waits for a query of ours: whatever is in the way of the next change is cancelled. */
const IMPATIENT = { max_standby_streaming_delay: "0", hot_standby_feedback: "off" };

const reason = whyNoPrivateCluster();
if (reason !== undefined) process.stderr.write(`NOT RUN: a source that is a standby: ${reason}\n`);

interface Servers {
  readonly primary: PrivateCluster;
  readonly standby: PrivateCluster;
  readonly env: Readonly<Record<string, string>>;
}

async function servers(resources: AsyncDisposableStack, settings: Readonly<Record<string, string>>): Promise<Servers> {
  const primary = resources.use(await privateCluster());
  await primary.query("postgres", "create database airflow");
  await loadFixture(primary.url("airflow"), SOURCE);
  const standby = resources.use(await primary.standby(settings));
  return { primary, standby, env: { SOURCE_DATABASE_URL: standby.url("airflow") } };
}

/** Waits until the standby has seen all that the primary has done. */
async function caughtUp({ primary, standby }: Servers): Promise<void> {
  const [row] = await primary.query("airflow", "select pg_current_wal_flush_lsn()::text as at");
  await vi.waitFor(
    async () =>
      expect(
        await standby.query("airflow", `select pg_last_wal_replay_lsn() >= '${String(row?.["at"])}' as there`),
      ).toEqual([{ there: true }]),
    { timeout: 30_000, interval: 100 },
  );
}

describe("a source that is a standby", { skip: reason !== undefined }, () => {
  const resources = { now: new AsyncDisposableStack() };
  afterEach(async () => {
    await resources.now.disposeAsync();
    resources.now = new AsyncDisposableStack();
  });

  test("is copied and verified, and its deltas bring what its primary did, deletions among it", async () => {
    const environment = resources.now.use(await anEnvironment());
    const both = await servers(resources.now, {});
    const { primary, env } = both;
    const query = (sql: string) => primary.query("airflow", sql);
    await migrate(environment, env);
    await query("update task_instance set hostname = 'changed since' where dag_id = 'cw_mapped'");
    await query("delete from xcom where dag_id = 'cw_scheduled' and run_id like '%03-02%'");
    await addRun({ query }, { dag: "cw_scheduled", run: "new_and_done", state: "success", like: LIKE });
    await caughtUp(both);

    const told = await environment.run(["sync", "--json"], { env });
    const synced = await environment.run(["sync", "--json", "--deletions", "carry"], { env });
    const fromPrimary = await environment.run(["sync", "--json"], {
      env: { SOURCE_DATABASE_URL: primary.url("airflow") },
    });

    expect([synced.code, fromPrimary.code], synced.output + fromPrimary.output).toEqual([0, 0]);
    for (const { json } of [told, synced])
      expect(json["deleted"]).toMatchObject([{ entity: "xcom", dag: "cw_scheduled", rows: 4 }]);
    expect(await differencesToFreshCopy(environment, env)).toEqual([]);
  });

  test("that ends what is in its way does not end the apply, which goes on from a new read snapshot", async () => {
    const environment = resources.now.use(await anEnvironment());
    const both = await servers(resources.now, IMPATIENT);
    const { primary, env } = both;
    await environment.plan([], { env });
    await environment.target.query(
      `create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(3); return null; end $$;
       create trigger wait after insert on dag_run for each statement execute function wait()`,
    );
    let conflict: Promise<unknown> | undefined;
    const collide = async () => {
      await primary.query("airflow", "update task_instance set hostname = hostname");
      await primary.query("airflow", "vacuum full task_instance");
      await primary.query("airflow", "vacuum full xcom");
    };
    const renewals: string[] = [];

    const applied = await environment.apply([], {
      env,
      onStderrLine: (line) => {
        if (line.includes('"phase":"history"')) conflict ??= collide();
        if (line.includes('"snapshot-renewed"')) renewals.push(line);
      },
    });
    await conflict;
    await environment.target.query("drop function wait cascade");

    expect(applied.code, applied.output).toBe(0);
    expect(renewals.join()).toMatch(/standby .* in the way of its primary/);
    expect(await differencesToFreshCopy(environment, env)).toEqual([]);
  });
});
