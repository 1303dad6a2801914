import { Client } from "pg";
import { expect, test } from "vitest";
import { NO_CONFLICTS, type Plan } from "../../src/domain/plan.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { bePresent } from "../../src/runs/executors.ts";
import { holdLimits } from "../../src/runs/limits.ts";
import { RunRecords } from "../../src/runs/run-records.ts";
import { freshDatabase } from "../support/database.ts";

const ACTOR = { who: "somebody", host: "here" } as const;

async function ask<R extends object>(url: string, sql: string): Promise<readonly R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
}

function aPlan(id: string): Plan {
  const side = {
    label: "somewhere",
    airflow: "3.3.2",
    release: "3.3.2",
    server: "15.8",
    identity: "1/2",
    sizeBytes: 0,
    heads: {},
    columns: "",
    keys: null,
  };
  return {
    format: 1,
    id,
    createdAt: "2026-01-01T00:00:00.000Z",
    crosswind: "test",
    source: side,
    target: side,
    selection: EVERYTHING,
    acceptsLoss: false,
    conflicts: NO_CONFLICTS,
    entities: [],
    findings: [],
    estimate: { rows: 0, bytes: 0, seconds: [0, 0] },
  };
}

/** A state database with a run that begins. */
async function aState() {
  const database = await freshDatabase();
  const state = { url: new Secret(database.url), label: "the state of a test" };
  const records = await RunRecords.open(state);
  const limits = { source: {}, target: {} };
  await records.begin({ plan: aPlan("one"), version: "test", limits, state: "running", ...ACTOR });
  return {
    state,
    records,
    url: database.url,
    present: (role: "carrier" | "worker") =>
      bePresent({ state, run: "one", role, version: "test", tag: role, ...ACTOR }),
    [Symbol.asyncDispose]: async () => {
      await records[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a state database of a newer crosswind is refused, and left as it is", async () => {
  await using state = await aState();
  await ask(state.url, "update crosswind_state.version set version = 999");

  await expect(RunRecords.open(state.state)).rejects.toMatchObject({ code: "STATE_OF_NEWER_VERSION" });
  expect(await ask(state.url, "select version from crosswind_state.version")).toEqual([{ version: 999 }]);
});

test("processes that open a new state database at the same time all find it ready", async () => {
  await using database = await freshDatabase();
  const state = { url: new Secret(database.url), label: "the state of a test" };

  const opened = await Promise.all(Array.from({ length: 5 }, () => RunRecords.open(state)));
  const runs = await Promise.all(opened.map((each) => each.list(1)));
  for (const each of opened) await each[Symbol.asyncDispose]();

  expect(runs).toEqual([[], [], [], [], []]);
});

test.for([
  "update crosswind_state.audit set who = 'nobody'",
  "delete from crosswind_state.audit",
  "truncate crosswind_state.audit",
])("the audit trail refuses: %s", async (statement) => {
  await using state = await aState();

  await expect(ask(state.url, statement)).rejects.toThrow("only ever added to");
  expect(await state.records.auditOf("one")).toMatchObject([{ ...ACTOR, run: "one", what: "carried" }]);
});

test("a run without its carrier is one that was interrupted", async () => {
  await using state = await aState();

  const before = await state.records.read("one");
  const carrier = await state.present("carrier");
  const meanwhile = await state.records.read("one");
  await carrier[Symbol.asyncDispose]();
  const after = await state.records.read("one");

  expect([before?.state, meanwhile?.state, after?.state]).toEqual(["interrupted", "running", "interrupted"]);
});

test("an executor is dead as soon as its connection is gone, and one whose row was taken learns it", async () => {
  await using state = await aState();
  await using carrier = await state.present("carrier");
  const worker = await state.present("worker");
  const living = await carrier.dead();
  await ask(
    state.url,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'crosswind state of worker' and datname = current_database()",
  );

  const lost = await worker.lost;
  const dead = await carrier.dead();

  expect(living).toEqual([]);
  expect(lost.code).toBe("STATE_DATABASE_LOST");
  expect(dead).toEqual([worker.id]);
});

test("a place among the connections is given to one at a time, and to the next one when its holder is dead", async () => {
  await using state = await aState();
  const holder = await state.present("carrier");
  await using other = await state.present("worker");
  await using limits = await holdLimits(state.state, [{ identity: "target", limits: { connections: 1 } }]);
  const never = new AbortController();
  await limits?.admit(holder.id, never.signal);
  const waits = limits?.admit(other.id, never.signal);

  const first = await Promise.race([waits, new Promise((resolve) => setTimeout(resolve, 700, "still waiting"))]);
  await holder[Symbol.asyncDispose]();
  const second = await waits;

  expect(first).toBe("still waiting");
  expect(second).toBeDefined();
});

test("rows of all who share a limit take the time that the limit says", async () => {
  await using state = await aState();
  const open = () => holdLimits(state.state, [{ identity: "source", limits: { rowsPerSecond: 1000 } }]);
  await using one = await open();
  await using other = await open();
  const begun = performance.now();

  await Promise.all(
    [one, other].map(async (each) => {
      for (let turn = 0; turn < 3; turn++) await each?.rows(300);
    }),
  );

  // 1800 rows at 1000 a second.
  expect(performance.now() - begun).toBeGreaterThan(1700);
});

test("outside of the hours of an environment nothing is admitted", async () => {
  await using state = await aState();
  const hour =
    (await ask<{ h: number }>(state.url, "select extract(hour from now() at time zone 'UTC')::int as h"))[0]?.h ?? 0;
  const two = (at: number) => String(at % 24).padStart(2, "0");
  const open = (hours: string) => holdLimits(state.state, [{ identity: "target", limits: { hours } }]);
  await using now = await open(`${two(hour + 23)}:00-${two(hour + 2)}:00`);
  await using later = await open(`${two(hour + 3)}:00-${two(hour + 5)}:00 UTC`);

  expect([await now?.isOpen(), await later?.isOpen()]).toEqual([true, false]);
});
