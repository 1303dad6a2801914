import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { recordedReleases } from "../../src/airflow/releases.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { chunkPredicate, cutIntoChunks } from "../../src/engine/copy/chunks.ts";
import { allLanes } from "../../src/engine/copy/copy-context.ts";
import { openReadSnapshot, type ReadSnapshot } from "../../src/engine/copy/snapshot.ts";
import { identifier, NO_ID_RULES, type Translation } from "../../src/engine/translate/translate.ts";
import type { Row, Session } from "../../src/ports/database.ts";
import { growSource } from "../../tools/grow-source.ts";
import { aFernetKey, anEnvironment } from "../support/an-environment.ts";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";
import { grownSource } from "../support/grow-source.ts";
import { type Major, openPostgresVersion, type VersionedPostgres, whyNotHere } from "../support/postgres-versions.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import type { CliOptions } from "../support/run-cli.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Source and target of a copy. With `POSTGRES_PAIRS=all` the versions between the oldest and the newest, too. */
const PAIRS: readonly (readonly [source: Major, target: Major])[] = [
  [12, 18],
  [18, 13],
  ...(process.env["POSTGRES_PAIRS"] === "all"
    ? ([
        [13, 14],
        [14, 15],
        [15, 16],
        [16, 18],
      ] as const)
    : []),
];

/** Several chunks of most tables, and some tables large enough for their indexes to be taken off. */
const GROWTH = { copies: 260, secrets: 5 } as const;
const FIXTURES = join(import.meta.dirname, "../fixtures");
const TARGET_KEY = aFernetKey();

const resources = new AsyncDisposableStack();
const servers = new Map<Major, Promise<VersionedPostgres>>();
const sources = new Map<Major, Promise<TestDatabase>>();

afterAll(() => resources.disposeAsync());

function serverOf(major: Major): Promise<VersionedPostgres> {
  const server = servers.get(major) ?? openPostgresVersion(major).then((opened) => resources.use(opened));
  servers.set(major, server);
  return server;
}

/** The recorded environment with its history many times over, on a server of that version. Only read. */
function sourceOn(major: Major): Promise<TestDatabase> {
  const source =
    sources.get(major) ??
    (async () => {
      const database = resources.use(await (await serverOf(major)).freshDatabase());
      await loadFixture(database.url, join(FIXTURES, "airflow-2.10.5.sql.gz"));
      await growSource(database.url, { ...GROWTH, isThin: true });
      return database;
    })();
  sources.set(major, source);
  return source;
}

async function query<R extends Row>(url: string, sql: string): Promise<readonly R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
}

interface Move {
  readonly source: string;
  readonly target: string;
  /** The first apply is killed as soon as a line of its progress matches. */
  readonly killedAt?: RegExp;
}

/** doctor, plan, apply, verify. */
async function move({ source, target, killedAt }: Move): Promise<void> {
  await using environment = await anEnvironment({ source: "nothing", target: "nothing" });
  const env = { SOURCE_DATABASE_URL: source, TARGET_DATABASE_URL: target, TARGET_FERNET_KEY: TARGET_KEY };
  const succeed = async (command: string) => {
    const ran = await environment.run([command, "--json"], { env });
    expect({ command, code: ran.code, output: ran.code === 0 ? "" : ran.output }).toMatchObject({ code: 0 });
  };
  await succeed("doctor");
  await succeed("plan");
  if (killedAt !== undefined) {
    const onStderrLine: CliOptions["onStderrLine"] = (line, kill) => void (killedAt.test(line) && kill("SIGKILL"));
    expect(await environment.apply([], { env, onStderrLine })).toMatchObject({ signal: "SIGKILL" });
  }
  await succeed("apply");
  await succeed("verify");
}

describe.each(PAIRS)("PostgreSQL %i to %i", (from, to) => {
  const missing = whyNotHere([from, to]);

  test.skipIf(missing !== undefined)(
    `gives the rows that the test cluster's copy has${missing === undefined ? "" : ` (not run: ${missing})`}`,
    async () => {
      await using target = await (await serverOf(to)).freshDatabase();
      await loadFixture(target.url, join(FIXTURES, "airflow-3.3.2-empty.sql.gz"));

      await move({ source: (await sourceOn(from)).url, target: target.url });

      const [ledger] = await query<{ chunks: number; restored: number }>(
        target.url,
        `select (select count(*)::int from crosswind.chunk where entity = 'task_instance') as chunks,
           (select count(*)::int from crosswind.taken_off where restored_at is not null) as restored`,
      );
      expect(ledger?.chunks).toBeGreaterThan(1);
      expect(ledger?.restored).toBeGreaterThan(5);
      expect(await compareTargets(await reference(), target.url, parseFernetKeys(new Secret(TARGET_KEY)))).toEqual([]);
    },
  );
});

let referenceUrl: Promise<string> | undefined;

/** The same copy on the servers that all other tests use. */
function reference(): Promise<string> {
  referenceUrl ??= (async () => {
    const source = resources.use(await freshDatabase({ template: await grownSource(GROWTH) }));
    const target = resources.use(await freshDatabase());
    await loadFixture(target.url, join(FIXTURES, "airflow-3.3.2-empty.sql.gz"));
    await move({ source: source.url, target: target.url });
    return target.url;
  })();
  return referenceUrl;
}

/** How a server reads a chunk: with the end given, and the last one. */
const SCANS: readonly (readonly [major: Major, bounded: string, last: string])[] = [
  [12, "Tid Scan", "Seq Scan"],
  [13, "Tid Scan", "Seq Scan"],
  [18, "Tid Range Scan", "Tid Range Scan"],
];

interface PlanNode {
  readonly "Node Type": string;
  readonly Alias?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

function scanOf(node: PlanNode, alias: string): PlanNode | undefined {
  if (node.Alias === alias) return node;
  return node.Plans?.map((each) => scanOf(each, alias)).find((each) => each !== undefined);
}

async function explain(session: Session, select: string): Promise<PlanNode> {
  const [row] = await session.query(`explain (analyze, timing off, format json) ${select}`);
  const [{ Plan }] = (row as { "QUERY PLAN": [{ Plan: PlanNode }] })["QUERY PLAN"];
  const scan = scanOf(Plan, "s");
  if (scan === undefined) throw new Error(`no scan of s in ${JSON.stringify(Plan)}`);
  return scan;
}

const side = (release: string) => ({ release, schema: recordedSchema(release) });

function translations(): readonly Translation[] {
  const lanes = allLanes({ sourceSide: side("2.10.5"), targetSide: side("3.3.2"), entities }, NO_ID_RULES);
  // Fallible fields as their codecs get them: EXPLAIN ANALYZE stops at a value that SQL can not translate.
  return [...lanes.values()].map(({ careful }) => careful).filter(({ entity }) => entity.load === "bulk");
}

describe.each(SCANS)("PostgreSQL %i", (major, bounded, last) => {
  const missing = whyNotHere([major]);
  const notRun = missing === undefined ? "" : ` (not run: ${missing})`;

  describe.skipIf(missing !== undefined)(`reads chunks${notRun}`, () => {
    const own = new AsyncDisposableStack();
    let snapshot: ReadSnapshot;

    beforeAll(async () => {
      const { url } = own.use(await (await serverOf(major)).copyDatabase(await sourceOn(major)));
      // Addresses that lead to another one (HOT), and addresses that are free again.
      await query(url, "update task_instance set hostname = 'elsewhere' where ctid::text like '%1)'");
      await query(url, "delete from log where ctid::text like '%2)'");
      await query(url, "vacuum log, task_instance");
      const source = own.use(openPostgres({ url: new Secret(url), name: "source", readOnly: true }));
      snapshot = own.use(await openReadSnapshot(source));
    });
    afterAll(() => own.disposeAsync());

    test.for([
      ["as they are cut", {}],
      ["with blocks that hold more rows than others", { rowsPerBlock: 3 }],
    ] as const)("whole, and every row in one chunk: %s", async ([, fuller]) => {
      for (const translation of translations()) {
        const cutSpecs = await cutIntoChunks(snapshot, translation);
        const specs = cutSpecs.map((spec) => (spec.rowsPerBlock === undefined ? spec : { ...spec, ...fuller }));
        const table = identifier(translation.sourceTable);
        await using session = await snapshot.session();
        const parts = specs.map((spec) => `select s.ctid from ${table} s where ${chunkPredicate(spec) ?? "true"}`);
        const [cut] = await session.query(
          `select count(*)::int as read, count(distinct ctid)::int as rows from (${parts.join(" union all ")}) parts`,
        );
        const [whole] = await session.query<{ rows: number }>(`select count(*)::int as rows from ${table}`);

        expect({ table, ...cut }).toEqual({ table, read: whole?.rows, rows: whole?.rows });
      }
    });

    test(`without the rest of the table: ${bounded}, and ${last} for the last one`, async () => {
      const cut: string[] = [];
      for (const translation of translations()) {
        const specs = await cutIntoChunks(snapshot, translation);
        if (specs.length > 1) cut.push(translation.entity.id);
        for (const spec of specs.length > 1 ? specs : []) {
          await using session = await snapshot.session();
          const source = chunkPredicate(spec);
          const scan = await explain(session, translation.select(source === undefined ? {} : { source }));

          const expected = spec.to === undefined ? last : bounded;
          expect({ spec, type: scan["Node Type"] }).toEqual({ spec, type: expected });
          if (expected !== "Seq Scan") expect(scan["Rows Removed by Filter"] ?? 0).toBe(0);
          expect(scan["Actual Loops"]).toBe(1);
        }
      }
      expect(cut).toEqual(expect.arrayContaining(["task_instance", "log", "xcom"]));
    });
  });
});

describe("PostgreSQL 12", () => {
  const missing = whyNotHere([12]);

  test.skipIf(missing !== undefined)(
    `takes every translation of every release${missing === undefined ? "" : ` (not run: ${missing})`}`,
    async () => {
      const server = await serverOf(12);
      const refused: unknown[] = [];
      for (const release of recordedReleases) {
        await using database = await server.freshDatabase();
        await using postgres = openPostgres({ url: new Secret(database.url), name: "source", maxSessions: 1 });
        await using session = await postgres.session();
        await session.query(schemaDdl(recordedSchema(release)));
        for (const [select, id] of selectsFrom(release)) {
          await session.describe(select).catch((error: unknown) => refused.push({ release, id, error: String(error) }));
        }
      }
      expect(refused).toEqual([]);
    },
  );

  test.skipIf(missing !== undefined)("goes on with its chunks after a kill", async () => {
    await using target = await freshDatabase();
    await loadFixture(target.url, join(FIXTURES, "airflow-3.3.2-empty.sql.gz"));

    await move({ source: (await sourceOn(12)).url, target: target.url, killedAt: /"kind":"chunk".*"task_instance"/ });

    const [ledger] = await query<{ chunks: number; deltas: number }>(
      target.url,
      `select count(*) filter (where chunk !~ '^changed')::int as chunks, count(*) filter (where chunk ~ '^changed')::int as deltas
       from crosswind.chunk where entity = 'task_instance'`,
    );
    expect(ledger?.chunks).toBeGreaterThan(1);
    expect(ledger?.deltas).toBe(1);
    expect(await compareTargets(await reference(), target.url, parseFernetKeys(new Secret(TARGET_KEY)))).toEqual([]);
  });
});

test.for([
  [10, "source", /is older than PostgreSQL 11: a source needs at least 12/],
  [11, "source", /PostgreSQL 11\.\d+ is too old as a source: 12 to 18 are supported/],
  [12, "target", /PostgreSQL 12\.\d+ is too old as a target: 13 to 18 are supported/],
] as const)("doctor names PostgreSQL %i as too old for a %s", async ([major, old, text], { skip }) => {
  skip(whyNotHere([major]) !== undefined, whyNotHere([major]));
  const server = await serverOf(major);
  await using database = await server.freshDatabase();
  await using environment = await anEnvironment({ [old]: "nothing" });

  const ran = await environment.run(["doctor"], { env: { [`${old.toUpperCase()}_DATABASE_URL`]: database.url } });

  expect(ran.code).toBe(3);
  expect(ran.text).toMatch(text);
});

test("doctor names PostgreSQL 12 as too old for the state of runs", async ({ skip }) => {
  skip(whyNotHere([12]) !== undefined, whyNotHere([12]));
  await using database = await (await serverOf(12)).freshDatabase();
  await using environment = await anEnvironment();

  const ran = await environment.run(["doctor"], { env: { STATE_DATABASE_URL: database.url } });

  expect(ran.code).toBe(3);
  expect(ran.text).toMatch(/PostgreSQL 12\.\d+ is too old for the state of runs: 13 to 18 are supported/);
});

test("plan refuses a target on a server that is too old", async ({ skip }) => {
  skip(whyNotHere([12]) !== undefined, whyNotHere([12]));
  const server = await serverOf(12);
  await using database = await server.freshDatabase();
  await loadFixture(database.url, join(FIXTURES, "airflow-3.3.2-empty.sql.gz"));
  await using environment = await anEnvironment({ target: "nothing" });

  const planned = await environment.plan([], { env: { TARGET_DATABASE_URL: database.url } });

  expect(planned.code).toBe(3);
  expect(planned.finding("SERVER_TOO_OLD")?.what).toMatch(/PostgreSQL 12\.\d+; 13 to 18 are supported as a target/);
});

/** Every SELECT that copies from the release, once, with what it is for. */
function selectsFrom(release: string): ReadonlyMap<string, string> {
  const selects = new Map<string, string>();
  for (const target of recordedReleases) {
    const lanes = allLanes({ sourceSide: side(release), targetSide: side(target), entities }, NO_ID_RULES);
    for (const { optimistic, careful } of lanes.values()) {
      for (const translation of [optimistic, careful])
        selects.set(translation.select(), `${translation.entity.id} to ${target}`);
    }
  }
  return selects;
}
