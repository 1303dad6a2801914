import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { doctorView } from "../../src/cli/views/doctor.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import type { Schema } from "../../src/domain/schema.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Check, DoctorReport } from "../../src/engine/doctor/check.ts";
import { type DoctorOptions, runDoctor } from "../../src/engine/doctor/doctor.ts";
import { freshDatabase, templateDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { insertRow } from "../support/rows.ts";

const folder = join(import.meta.dirname, "../fixtures");
const KEY = readFileSync(join(folder, "fernet.key"), "utf8").trim();
const OTHER_KEY = Buffer.from(createHash("sha256").update("another key").digest())
  .toString("base64url")
  .padEnd(44, "=");
const PASSWORD = "canary-7Qx1";

type Fixture = "airflow-2.10.5" | "airflow-2.10.5-empty" | "airflow-3.3.2-empty" | "nothing";

interface Place {
  readonly url: string;
  /** Runs statements as superuser. */
  readonly run: (sql: string) => Promise<void>;
}

async function aDatabase(fixture: Fixture): Promise<Place> {
  if (fixture === "nothing") return await placeOf();
  const path = join(folder, `${fixture}.sql.gz`);
  const name = `doctor_${createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16)}`;
  return await placeOf(await templateDatabase(name, (url) => loadFixture(url, path)));
}

async function placeOf(template?: string): Promise<Place> {
  const database = await freshDatabase(template === undefined ? {} : { template });
  onTestFinished(() => database[Symbol.asyncDispose]());
  return { url: database.url, run: (sql) => runSql(database.url, sql) };
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** A role that may connect and nothing else; needs quotes on purpose. Gives the database's URL with it. */
async function aRole(place: Place): Promise<string> {
  const name = `Doctor "${randomBytes(6).toString("hex")}"`;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  await place.run(`create role ${quoted} login password '${PASSWORD}'`);
  // After the tests of this database: what a role owns or may do there stands in the way of dropping it.
  onTestFinished(() => place.run(`drop owned by ${quoted} cascade; drop role ${quoted}`));
  await place.run(`revoke all on schema public from public;
    do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$`);
  const url = new URL(place.url);
  url.username = encodeURIComponent(name);
  url.password = PASSWORD;
  return url.href;
}

interface Given {
  readonly source: string;
  readonly target: string;
  readonly sourceKey?: string | undefined;
  readonly targetKey?: string | undefined;
  readonly openState?: DoctorOptions["openState"];
}

async function examine({ source, target, sourceKey, targetKey, openState }: Given): Promise<DoctorReport> {
  await using from = openPostgres({ url: new Secret(source), name: "source", readOnly: true });
  await using to = openPostgres({ url: new Secret(target), name: "target" });
  return await runDoctor({
    source: { open: async () => from, ...(sourceKey === undefined ? {} : { fernetKey: new Secret(sourceKey) }) },
    target: { open: async () => to, ...(targetKey === undefined ? {} : { fernetKey: new Secret(targetKey) }) },
    ...(openState === undefined ? {} : { openState }),
    now: () => new Date(),
  });
}

function find(report: DoctorReport, side: Check["side"], id: string): Check | undefined {
  return report.checks.find((check) => check.side === side && check.id === id);
}

function blockers(report: DoctorReport): readonly string[] {
  return report.checks.filter((check) => check.status === "blocker").map((check) => `${check.side} ${check.id}`);
}

const KEYS = { sourceKey: KEY, targetKey: OTHER_KEY };

test("finds nothing in the way of a healthy pair", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({
    source: source.url,
    target: target.url,
    ...KEYS,
    openState: async () => ({ label: "the state" }),
  });

  const troubled = report.checks.filter((check) => check.status === "warning" || check.status === "blocker");
  expect(troubled).toEqual([]);
  expect(find(report, "source", "release")?.detail).toContain("5f2621c13b39");
  expect(find(report, "source", "fernet-key")).toMatchObject({
    status: "ok",
    detail: "valid; it decrypts 3 connections and 4 variables",
  });
  expect(find(report, "source", "read-only")?.status).toBe("ok");
  expect(find(report, "source", "size")?.detail).toMatch(/ of rows, .* with indexes/);
  expect(find(report, "both", "releases")?.detail).toBe("from 2.11.0 to 3.3.2");
  expect(find(report, "state", "state")).toMatchObject({ status: "ok", detail: "the state" });
  expect(new Set(report.checks.map(({ side, id }) => `${side} ${id}`)).size).toBe(report.checks.length);
});

test("names every missing right of the source, and its statements give them", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");
  const url = await aRole(source);

  const before = await examine({ source: url, target: target.url, ...KEYS });
  for (const statement of grantsOf(before, "source")) await source.run(statement);
  const after = await examine({ source: url, target: target.url, ...KEYS });

  expect(blockers(before)).toEqual(["source release", "source rights"]);
  expect(find(before, "source", "rights")?.detail).toMatch(/SELECT on \d+ tables/);
  expect(blockers(after)).toEqual([]);
  expect(find(after, "source", "fernet-key")?.status).toBe("ok");
  expect(find(after, "source", "rights")?.status).toBe("ok");
});

test("names every missing right of the target, and its statements give them", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");
  const url = await aRole(target);

  const before = await examine({ source: source.url, target: url, ...KEYS });
  for (const statement of grantsOf(before, "target")) await target.run(statement);
  const after = await examine({ source: source.url, target: url, ...KEYS });

  const rights = find(before, "target", "rights");
  expect(rights?.status).toBe("blocker");
  for (const right of ["USAGE, SELECT, UPDATE on", "CREATE on the database", "TEMPORARY on the database", "INSERT"]) {
    expect(rights?.detail).toContain(right);
  }
  expect(blockers(after)).toEqual([]);
  expect(find(after, "target", "ownership")).toMatchObject({ status: "note" });
});

function grantsOf(report: DoctorReport, side: Check["side"]): readonly string[] {
  const statements = report.checks
    .filter((check) => check.side === side && check.status === "blocker")
    .flatMap((check) => check.next ?? []);
  expect(statements.every((each) => each.startsWith("GRANT "))).toBe(true);
  return statements;
}

test("lets a role that owns nothing take part in its owner's role", async () => {
  const source = await aDatabase("airflow-2.10.5-empty");
  const target = await aDatabase("airflow-3.3.2-empty");
  const url = await aRole(target);
  for (const statement of grantsOf(await examine({ source: source.url, target: url, ...KEYS }), "target")) {
    await target.run(statement);
  }

  const report = await examine({ source: source.url, target: url, ...KEYS });

  const [statement = ""] = find(report, "target", "ownership")?.next ?? [];
  expect(statement).toMatch(/^GRANT \w+ TO "Doctor ""\w+""";$/);
  await target.run(statement);
  expect(find(await examine({ source: source.url, target: url, ...KEYS }), "target", "ownership")?.status).toBe("ok");
});

test("names the connections and variables that the key does not decrypt, and no value", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({ source: source.url, target: target.url, sourceKey: OTHER_KEY, targetKey: OTHER_KEY });

  const check = find(report, "source", "fernet-key");
  expect(check?.status).toBe("blocker");
  expect(check?.detail).toContain("of 3 connections and 4 variables that are encrypted, 7 can not be decrypted");
  for (const name of ["connection:seed_full", "connection:seed_long", "variable:seed_json", "variable:seed_empty"]) {
    expect(check?.detail).toContain(name);
  }
  expect(check?.detail).not.toContain("seed_plain");
  expect(check?.next?.[1]).toContain("--without connection:seed_full");
  expect(JSON.stringify(report)).not.toContain("gAAAA");
});

test("tries every token: names the one variable that another key made", async () => {
  const source = await aDatabase("airflow-2.10.5");
  await source.run("update variable set val = reverse(val) where key = 'seed_long'");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({
    source: source.url,
    target: target.url,
    sourceKey: `${OTHER_KEY},${KEY}`,
    targetKey: KEY,
  });

  const check = find(report, "source", "fernet-key");
  expect(check?.detail).toMatch(/1 can not be decrypted with source\.fernetKey: variable:seed_long$/);
});

test("tells that the keys are swapped", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({ source: source.url, target: target.url, sourceKey: OTHER_KEY, targetKey: KEY });

  expect(find(report, "source", "fernet-key")?.next?.[0]).toContain("swapped");
});

test("wants both keys where there are secrets", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({ source: source.url, target: target.url });

  expect(blockers(report)).toEqual(["source fernet-key", "both target-key"]);
});

test("shows a key that is none as a blocker, without the key", async () => {
  const source = await aDatabase("airflow-2.10.5-empty");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({ source: source.url, target: target.url, sourceKey: KEY, targetKey: PASSWORD });

  expect(blockers(report)).toEqual(["target fernet-key"]);
  expect(JSON.stringify(report)).not.toContain(PASSWORD);
});

test("stops at a target that has no schema, and checks the source all the same", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("nothing");

  const report = await examine({ source: source.url, target: target.url, ...KEYS });

  expect(blockers(report)).toEqual(["target release"]);
  expect(find(report, "target", "release")?.next?.join(" ")).toContain("airflow db migrate");
  expect(find(report, "source", "fernet-key")?.status).toBe("ok");
});

test("stops at a half-migrated source", async () => {
  const source = await aDatabase("airflow-2.10.5");
  await source.run("alter table dag_run drop column clear_number");
  const target = await aDatabase("airflow-3.3.2-empty");

  const report = await examine({ source: source.url, target: target.url, ...KEYS });

  expect(blockers(report)).toEqual(["source release"]);
  expect(find(report, "source", "release")?.detail).toContain("dag_run.clear_number");
});

test("stops where both sides are the same database", async () => {
  const source = await aDatabase("airflow-2.10.5");

  const report = await examine({ source: source.url, target: source.url, sourceKey: KEY, targetKey: KEY });

  expect(blockers(report)).toEqual(["both same-database"]);
});

test("reports a side that does not answer or refuses the login, and checks the other one", async () => {
  const target = await aDatabase("airflow-3.3.2-empty");
  const refused = new URL(target.url);
  refused.password = PASSWORD;

  const silent = await examine({ source: "postgresql://nobody@127.0.0.1:1/airflow", target: target.url, ...KEYS });
  const stranger = await examine({ source: refused.href, target: target.url, ...KEYS });

  expect(blockers(silent)).toEqual(["source reachable"]);
  expect(find(silent, "source", "reachable")?.detail).toContain("nobody@127.0.0.1:1/airflow");
  expect(find(silent, "target", "rights")?.status).toBe("ok");
  expect(blockers(stranger)).toEqual(["source reachable"]);
  expect(JSON.stringify(stranger)).not.toContain(PASSWORD);
});

async function unpause(place: Place, release: string, dags: readonly string[]): Promise<void> {
  await using database = openPostgres({ url: new Secret(place.url), name: "test" });
  await using session = await database.session();
  const schema = recordedSchema(release);
  const bundle = "bundle_name" in columnsOf(schema, "dag") ? { bundle_name: "b" } : {};
  if ("bundle_name" in bundle) await insertRow(session, { schema, table: "dag_bundle" }, { name: "b" });
  for (const dag_id of dags) {
    await insertRow(session, { schema, table: "dag" }, { dag_id, is_paused: false, ...bundle });
  }
}

function columnsOf(schema: Schema, table: string): Readonly<Record<string, string>> {
  return Object.fromEntries((schema.tables[table]?.columns ?? []).map(([name, type]) => [name, type]));
}

test("warns where the target is older, and where a DAG is unpaused on both sides", async () => {
  const source = await aDatabase("airflow-3.3.2-empty");
  const target = await aDatabase("airflow-2.10.5");
  await unpause(source, "3.3.2", ["cw_twice", "cw_once"]);
  await unpause(target, "2.10.5", ["cw_twice"]);

  const report = await examine({ source: source.url, target: target.url, sourceKey: KEY, targetKey: KEY });

  expect(find(report, "both", "releases")).toMatchObject({ status: "warning" });
  expect(find(report, "both", "unpaused-twice")).toMatchObject({ status: "warning" });
  expect(find(report, "both", "unpaused-twice")?.detail).toMatch(/^1 DAG is .*: cw_twice$/);
});

test("notes what is not Airflow's, and who else is connected to the target", async () => {
  const source = await aDatabase("airflow-2.10.5");
  await source.run("create table our_own (id int); alter table dag_run add column our_column int");
  const target = await aDatabase("airflow-3.3.2-empty");
  const url = await aRole(target);
  await target.run(`do $$ begin execute format('grant create, temporary on database %I to public', current_database()); end $$;
    grant usage on schema public to public; grant all on all tables in schema public to public;
    grant all on all sequences in schema public to public`);
  const other = new Client({ connectionString: target.url, application_name: "airflow scheduler" });
  await other.connect();

  const report = await examine({ source: source.url, target: url, ...KEYS });
  await other.end();

  expect(find(report, "source", "schema-differences")).toMatchObject({ status: "note" });
  expect(find(report, "source", "schema-differences")?.detail).toMatch(/dag_run\.our_column, our_own/);
  expect(find(report, "target", "other-sessions")).toMatchObject({ status: "note" });
  expect(find(report, "target", "other-sessions")?.detail).toContain("1 × airflow scheduler");
});

test("warns of indexes that a killed load left off", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");
  await target.run(`create schema crosswind; create table crosswind.run (id uuid);
    create table crosswind.taken_off (id serial primary key, run uuid, kind text, on_table text, name text, definition text, restored_at timestamptz);
    insert into crosswind.taken_off (kind, on_table, name, definition, restored_at)
    values ('index', 'dag_run', 'idx_gone', 'x', null), ('index', 'dag_run', 'idx_back', 'x', now())`);

  const report = await examine({ source: source.url, target: target.url, ...KEYS });

  expect(find(report, "target", "taken-off")).toMatchObject({ status: "warning" });
  expect(find(report, "target", "taken-off")?.detail).toMatch(/^1 index .*: idx_gone$/);
});

test("stops at a target that refuses writes", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("airflow-3.3.2-empty");
  await target.run(
    "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$",
  );

  const report = await examine({ source: source.url, target: target.url, ...KEYS });

  expect(blockers(report)).toEqual(["target writable"]);
});

test("shows the checks by side with what to do, in lines that can be pasted", async () => {
  const source = await aDatabase("airflow-2.10.5");
  const target = await aDatabase("nothing");
  const url = await aRole(source);

  const shown = doctorView.human(await examine({ source: url, target: target.url, ...KEYS }), {
    isTerminal: false,
    width: 100,
  });

  expect(shown).toMatch(/^Source\n {2}✓ Reachable/);
  expect(shown).toMatch(/\n {6}next: GRANT USAGE ON SCHEMA public TO "Doctor ""\w+""";\n/);
  expect(shown).toMatch(/\n\nTarget\n/);
  expect(shown).toMatch(/Nothing has been changed on either side\. Mend what is marked ✗/);
  expect(shown).not.toContain(PASSWORD);
  expect(shown).not.toContain(KEY);
});
