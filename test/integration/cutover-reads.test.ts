import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordedReleases } from "../../src/airflow/releases.ts";
import { formatMicros, parseMicros } from "../../src/airflow/timetables/micros.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import type { Release } from "../../src/domain/release.ts";
import { Secret } from "../../src/domain/secret.ts";
import { readAutomatedRuns } from "../../src/engine/cutover/read-automated-runs.ts";
import { readSerializedDags, type SerializedDag } from "../../src/engine/cutover/read-serialized.ts";
import { readWaveFacts } from "../../src/engine/cutover/read-wave-facts.ts";
import type { Session } from "../../src/ports/database.ts";
import { freshDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

const resources = new AsyncDisposableStack();
const sessions = new Map<Release, Session>();

async function openRelease(release: Release): Promise<Session> {
  const database = resources.use(await freshDatabase());
  const postgres = resources.use(openPostgres({ url: new Secret(database.url), name: release, maxSessions: 1 }));
  const session = resources.use(await postgres.session());
  await session.query(schemaDdl(recordedSchema(release)));
  // Only what a test is about is filled in.
  for (const table of ["dag", "dag_run", "serialized_dag", "slot_pool", "dag_tag"]) {
    const columns =
      recordedSchema(release).tables[table]?.columns.filter(([, , nullability]) => nullability === "notnull") ?? [];
    for (const [column] of columns)
      await session.query(`alter table "${table}" alter column "${column}" drop not null`);
  }
  return session;
}

function sessionOf(release: Release): Session {
  const session = sessions.get(release);
  if (session === undefined) throw new Error(release);
  return session;
}

const NOW = parseMicros("2025-02-01T00:00:00Z") ?? 0;

beforeAll(async () => {
  for (const release of recordedReleases) sessions.set(release, await openRelease(release));
});
afterAll(() => resources.disposeAsync());

describe.for(recordedReleases)("a database of %s", (release) => {
  test("gives its automated runs to the microsecond", async () => {
    const session = sessionOf(release);
    const columns = new Set(recordedSchema(release).tables["dag_run"]?.columns.map(([name]) => name));
    const date = columns.has("execution_date") ? "execution_date" : "logical_date";
    const has = (name: string, value: string): string => (columns.has(name) ? value : "");
    const names = [
      date,
      "dag_id",
      "run_id",
      "state",
      "start_date",
      has("run_type", "run_type"),
      has("data_interval_start", "data_interval_start, data_interval_end"),
    ];
    const row = (id: string, type: string, at: string): string => {
      const values = [`'${at}'`, "'d'", `'${id}'`, "'success'", "'2025-01-02T00:00:05.123456Z'"];
      return `(${[...values, has("run_type", `'${type}'`), has("data_interval_start", `'${at}', timestamptz '${at}' + interval '1 day'`)].filter(Boolean).join(", ")})`;
    };
    const rows = [
      row("scheduled__b", "scheduled", "2025-01-02T00:00:00.000001Z"),
      row("backfill__a", "backfill", "2025-01-01T00:00:00Z"),
      row("manual__c", "manual", "2025-01-03T00:00:00Z"),
      row("scheduled__old", "scheduled", "2024-12-01T00:00:00Z"),
    ];
    await session.query(`insert into dag_run (${names.filter(Boolean).join(", ")}) values ${rows.join(", ")}`);

    const runs = await readAutomatedRuns(session, {
      side: "source",
      release,
      dagId: "d",
      since: parseMicros("2025-01-01T00:00:00Z") ?? 0,
    });

    const found = runs.map(({ runId, logicalDate, startedAt }) => [
      runId,
      formatMicros(logicalDate),
      formatMicros(startedAt ?? 0),
    ]);
    expect(found).toEqual([
      ["backfill__a", "2025-01-01T00:00:00+00:00", "2025-01-02T00:00:05.123456+00:00"],
      ["scheduled__b", "2025-01-02T00:00:00.000001+00:00", "2025-01-02T00:00:05.123456+00:00"],
    ]);
    expect(runs[0]?.interval === null).toBe(!columns.has("data_interval_start"));
  });

  test("gives what waves are made from", async () => {
    const session = sessionOf(release);
    const columns = new Set(recordedSchema(release).tables["serialized_dag"]?.columns.map(([name]) => name));
    const active = release.startsWith("3") ? "is_stale" : "is_active";
    await session.query(
      `insert into dag (dag_id, is_paused, ${active}) values ('d', true, ${active === "is_active"}), ('gone', true, ${active !== "is_active"})`,
    );
    await session.query("insert into dag_tag (name, dag_id) values ('cutover:late', 'd')");
    await session.query("insert into slot_pool (pool, slots) values ('narrow', 1)");
    const json = JSON.stringify({
      dag: {
        schedule_interval: "@daily",
        timezone: "UTC",
        tasks: [{ task_id: "t", _task_type: "TriggerDagRunOperator", trigger_dag_id: "e", pool: "narrow" }],
      },
    });
    const isCompressed = columns.has("data_compressed");
    const value = isCompressed ? `'\\x${deflateSync(json).toString("hex")}'` : `'${json}'`;
    await session.query(
      `insert into serialized_dag (dag_id, ${isCompressed ? "data_compressed" : "data"}, last_updated) values ('d', ${value}, now())`,
    );

    const facts = await readWaveFacts(session, { release, now: NOW, days: 90 });

    expect(facts.dags).toEqual([
      { dagId: "d", isPaused: true, periodSeconds: 86_400, ended: 0, failed: 0, label: "late" },
    ]);
    expect(facts.ties).toEqual([{ from: "d", to: "e", kind: "starts", by: "t" }]);
  });
});

test("serialised DAGs come page by page, the newest version of each", async () => {
  const session = sessionOf("3.3.2");
  const rows = Array.from(
    { length: 120 },
    (_, at) => `('p${String(at).padStart(3, "0")}', '{"dag":${at}}'::jsonb, now())`,
  );
  await session.query(
    `insert into serialized_dag (dag_id, data, created_at) values ${rows.join(", ")}, ('p000', '{"dag":"old"}'::jsonb, now() - interval '1 day')`,
  );

  const found: SerializedDag[] = [];
  for await (const dag of readSerializedDags(session, "3.3.2")) found.push(dag);

  expect(found.filter(({ dagId }) => dagId.startsWith("p"))).toHaveLength(120);
  expect(found.find(({ dagId }) => dagId === "p000")?.data).toEqual({ dag: 0 });
});
