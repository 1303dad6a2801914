import { Client } from "pg";
import { expect } from "vitest";
import { addRun } from "../support/add-run.ts";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";
import { aMigration, emptyTarget, type Folder, largeSource, problemOf, targetKeys } from "./migration.ts";

const LIKE = { dag: "cw_scheduled_7", run: "scheduled__2024-03-01T00:00:00+00:00" } as const;

/** What a working source did since it was copied: enough that a delta of it takes a second or two. */
const CHANGES = [
  "update task_instance set hostname = 'changed since' where dag_id ~ '_[1-4][0-9]*$'",
  "update xcom set value = '\"changed since\"' where dag_id ~ '^cw_scheduled_1[0-9]*$'",
  "update dag_run_note set content = 'changed since'",
  "update variable set val = (select val from variable where key = 'seed_text') where key = 'seed_json'",
  "update log set extra = 'changed since' where dag_id ~ '_[56][0-9]*$'",
  "insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values ('new_since', 'http', false, false)",
  "insert into dataset (uri, extra, created_at, updated_at, is_orphaned) values ('s3://new/since', '{}', now(), now(), false)",
];

async function asked<T extends object>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A large source that was copied and went on working: every delta of a copy of that target has the same to bring. */
export interface ChangedSource {
  readonly url: string;
  /** A target with the copy of the source as it was before, of a test's own. */
  copied(): Promise<TestDatabase>;
  /** What a copy into a fresh target would have given, and this one has not. */
  differences(target: string): Promise<readonly string[]>;
  /** Ids of the runs in the target's ledger that have ended, in the order in which they began. */
  ended(target: string): Promise<readonly string[]>;
  /** Sessions of ours that the source still has. */
  sessions(): Promise<number>;
}

/** Copies it, changes it, and copies it once more into a fresh target. */
export async function aChangedSource(folder: Folder, resources: AsyncDisposableStack): Promise<ChangedSource> {
  const template = await emptyTarget();
  const source = resources.use(await freshDatabase({ template: (await largeSource()).template }));
  const copy = async () => {
    const target = resources.use(await freshDatabase({ template }));
    const migration = aMigration(folder, { source: source.url, target: target.url });
    await migration.plan();
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    return target;
  };
  const before = await copy();
  await asked(source.url, async (client) => {
    await addRun(client, { dag: "cw_scheduled_7", run: "new_and_done", state: "success", like: LIKE });
    for (const sql of CHANGES) await client.query(sql);
    return client;
  });
  const fresh = await copy();
  return {
    url: source.url,
    copied: () => freshDatabase({ template: before.name }),
    differences: async (target) => {
      const differences = await compareTargets(fresh.url, target, targetKeys);
      // The first copy left room for later ids when there were fewer of them.
      return differences.filter((each) => !each.startsWith("sequence "));
    },
    ended: async (target) =>
      (
        await asked(target, (client) =>
          client.query<{ id: string }>(
            "select id::text from crosswind.run where finished_at is not null order by started_at",
          ),
        )
      ).rows.map(({ id }) => id),
    sessions: async () =>
      (
        await asked(source.url, (client) =>
          client.query(
            "select from pg_stat_activity where datname = current_database() and application_name like 'crosswind %'",
          ),
        )
      ).rows.length,
  };
}
