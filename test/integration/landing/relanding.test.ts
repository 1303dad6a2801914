import { spawn } from "node:child_process";
import { utimes } from "node:fs/promises";
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/domain/run-event.ts";
import { aStaging, interrupted, rawSource, type TestStaging } from "../../support/a-landing.ts";
import { aSqlite, type TestSqlite } from "../../support/a-sqlite.ts";

/** A file with three DAG runs, as an Airflow with a write-ahead log has it. */
async function threeRuns(): Promise<TestSqlite> {
  const sqlite = await aSqlite();
  sqlite.database.exec("pragma journal_mode = wal");
  for (const n of [1, 2, 3]) insertRun(sqlite, n);
  return sqlite;
}

function insertRun({ database }: TestSqlite, n: number): void {
  database
    .prepare(
      `insert into dag_run (id, dag_id, run_id, execution_date, state, run_type, clear_number, log_template_id)
       values (?, 'etl', ?, ?, 'success', 'manual', 0, 1)`,
    )
    .run(n, `run_${n}`, `2025-01-0${n} 00:00:00.000000`);
}

async function runs(staging: TestStaging) {
  return await staging.query<{ id: number; state: string; version: string }>(
    "select id, state, xmin::text as version from dag_run order by id",
  );
}

function tables(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) => (event.kind === "landed" && event.isChanged ? [event.table] : []));
}

test("leaves rows that are the same as they are, so that what changed can be told from them", async () => {
  await using sqlite = await threeRuns();
  await using staging = await aStaging();
  await staging.land(sqlite.url);
  const before = await runs(staging);

  sqlite.database.exec("update dag_run set state = 'failed' where id = 2; delete from dag_run where id = 3");
  insertRun(sqlite, 4);
  const { events } = await staging.land(sqlite.url);

  const after = await runs(staging);
  expect(tables(events)).toEqual(["dag_run"]);
  expect(after.map(({ id, state }) => `${id} ${state}`)).toEqual(["1 success", "2 failed", "4 success"]);
  expect(after[0]?.version).toBe(before[0]?.version);
  expect(after[1]?.version).not.toBe(before[1]?.version);
});

test("does not read a file again that nobody has written to", async () => {
  await using sqlite = await threeRuns();
  sqlite.database.exec("pragma wal_checkpoint(truncate)");
  await using staging = await aStaging();
  const longAgo = new Date(Date.now() - 60_000);
  for (const file of [sqlite.file, `${sqlite.file}-wal`]) await utimes(file, longAgo, longAgo);

  const first = await staging.land(sqlite.url);
  const second = await staging.land(sqlite.url);
  sqlite.database.exec("update dag_run set state = 'failed'");
  const third = await staging.land(sqlite.url);

  expect(first.events.length).toBeGreaterThan(0);
  expect(second.events).toEqual([]);
  expect(tables(third.events)).toEqual(["dag_run"]);
});

test("follows columns and tables that come and go", async () => {
  await using sqlite = await threeRuns();
  await using staging = await aStaging();
  sqlite.database.exec("create table of_ours (id integer primary key, note text); insert into of_ours values (1, 'x')");
  await staging.land(sqlite.url);

  sqlite.database.exec("alter table dag_run add column of_ours blob; drop table of_ours");
  await staging.land(sqlite.url);

  const columns = await staging.query("select of_ours from dag_run");
  const [there] = await staging.query("select to_regclass('of_ours') as name");
  expect(columns).toHaveLength(3);
  expect(there).toEqual({ name: null });
});

test("a landing that is stopped in the middle leaves the last one as it was", async () => {
  await using sqlite = await threeRuns();
  await using staging = await aStaging();
  await staging.land(sqlite.url);
  sqlite.database.exec("delete from dag_run; delete from log_template");
  const stop = new AbortController();
  const source = interrupted(rawSource(sqlite.url), async (table) => {
    if (table === "log_template") stop.abort();
  });

  await expect(staging.land(source, stop.signal)).rejects.toMatchObject({ code: "LANDING_STOPPED" });

  expect(await runs(staging)).toHaveLength(3);
  await staging.land(sqlite.url);
  expect(await runs(staging)).toHaveLength(0);
});

test("another file in the place of a source is landed anew, with another identity", async () => {
  await using sqlite = await threeRuns();
  await using other = await threeRuns();
  await using staging = await aStaging();
  const first = await staging.land(sqlite.url);

  const second = await staging.land(other.url);

  expect(second.facts.identity).not.toBe(first.facts.identity);
  expect(tables(second.events)).toContain("log_template");
});

const WRITER = `
  import { DatabaseSync } from "node:sqlite";
  const database = new DatabaseSync(process.argv[1], { timeout: 5000 });
  for (let n = 0; ; n++) {
    database.exec("begin immediate; update dag_run set state = 'w" + n + "'; commit");
    if (n === 0) console.log("writing");
  }`;

test("reads one state of a database that somebody writes to all the time, and does not hold them up", async () => {
  await using sqlite = await threeRuns();
  await using staging = await aStaging();
  const writer = spawn(process.execPath, ["--input-type=module", "-e", WRITER, sqlite.file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const failed = new Promise<string>((resolve) =>
    writer.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (/database is locked/.test(text)) resolve(text);
    }),
  );
  await new Promise((resolve) => writer.stdout.once("data", resolve));

  const landings: ReadonlySet<string>[] = [];
  for (let n = 0; n < 3; n++) {
    await staging.land(sqlite.url);
    landings.push(new Set((await runs(staging)).map(({ state }) => state)));
  }
  const said = await Promise.race([failed, Promise.resolve("")]);
  writer.kill("SIGKILL");
  await new Promise((resolve) => writer.once("close", resolve));

  expect(landings.map((states) => states.size)).toEqual([1, 1, 1]);
  expect(new Set(landings.flatMap((states) => [...states])).size).toBeGreaterThan(1);
  expect(said).toBe("");
});
