import { expect, test } from "vitest";
import { stagingName } from "../../src/databases/staging/staging.ts";
import { aSqlite, type TestSqlite } from "../support/a-sqlite.ts";
import { anEnvironment, type Environment } from "../support/an-environment.ts";
import { type PlainValue, plainRows } from "../support/raw-rows.ts";

interface SqliteEnvironment extends AsyncDisposable {
  readonly environment: Environment;
  readonly env: Readonly<Record<string, string>>;
}

/** An environment whose target is the file. What was landed of it goes at the end of the scope. */
async function withTarget({ url }: TestSqlite): Promise<SqliteEnvironment> {
  const environment = await anEnvironment({ config: "staging: ${env:STATE_DATABASE_URL}" });
  return {
    environment,
    env: { TARGET_DATABASE_URL: url },
    [Symbol.asyncDispose]: async () => {
      const names = await environment.state.query<{ name: string }>(
        "select datname as name from pg_database where starts_with(datname, $1)",
        [stagingName({ source: url })],
      );
      for (const { name } of names) await environment.state.query(`drop database if exists "${name}" with (force)`);
      await environment[Symbol.asyncDispose]();
    },
  };
}

/** Ids that a target gives by itself, secrets under another key, and times of its own. */
const OWN =
  /^(task_instance_history|connection|variable|slot_pool|log_template)\.id$|^connection\.(password|extra)$|^variable\.val$|^log_template\.created_at$/;

function said(value: PlainValue | undefined): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "number") return String(value + 0);
  return Buffer.isBuffer(value) ? value.toString() : value;
}

/** Both targets' rows as texts, table by table. */
async function rowsOfBoth(postgres: string, { database }: TestSqlite) {
  const both = new Map<string, { readonly there: string[]; readonly here: string[] }>();
  for await (const { table, columns, rows } of plainRows(postgres)) {
    const shown = (row: readonly (PlainValue | undefined)[]) =>
      columns
        .flatMap((column, at) => (OWN.test(`${table}.${column}`) ? [] : [said(row[at]).replaceAll("-", "")]))
        .join(" | ");
    const known = both.get(table) ?? { there: [], here: [] };
    known.there.push(...rows.map(shown));
    if (!both.has(table)) {
      const mine = database.prepare(`select * from "${table}"`).all() as Record<string, PlainValue>[];
      const plain = (value: PlainValue | undefined) => (value instanceof Uint8Array ? Buffer.from(value) : value);
      known.here.push(...mine.map((row) => shown(columns.map((column) => plain(row[column])))));
    }
    both.set(table, known);
  }
  return both;
}

async function migrated({ environment, env }: SqliteEnvironment): Promise<void> {
  const planned = await environment.plan(["--force"], { env });
  expect(planned.code, planned.output).toBe(0);
  const applied = await environment.apply([], { env });
  expect(applied.code, applied.output).toBe(0);
  const verified = await environment.run(["verify", "--json"], { env });
  expect(verified.code, verified.output).toBe(0);
}

test("a copy to a 3.3.2 on SQLite equals the copy to a 3.3.2 on Postgres, and is not repeated", async () => {
  await using sqlite = await aSqlite(undefined, "3.3.2");
  await using target = await withTarget(sqlite);
  const { environment, env } = target;

  await migrated(target);
  await environment.plan();
  const applied = await environment.apply();

  expect(applied.code, applied.output).toBe(0);
  for (const [table, { there, here }] of await rowsOfBoth(environment.target.url, sqlite))
    expect({ table, rows: here.sort() }).toEqual({ table, rows: there.sort() });
  const planned = await environment.plan(["--force"], { env });
  expect(planned.code, planned.output).toBe(0);
  expect(planned.entity("dag_run").alreadyThere).toBeGreaterThan(0);
}, 240_000);

test("a row of the target's own under the name of a copied one stops the copy and stays", async () => {
  await using sqlite = await aSqlite(undefined, "3.3.2");
  await using target = await withTarget(sqlite);
  const { environment, env } = target;
  const [first] = await environment.source.query<{ key: string }>("select key from variable order by id limit 1");
  await environment.plan(["--force"], { env });
  let isDone = false;

  const stopped = await environment.apply([], {
    env,
    onStderrLine: (line, send) => {
      if (isDone || !/"phase":"history"/.test(line)) return;
      isDone = true;
      send("SIGSTOP");
      sqlite.database
        .prepare("insert into variable (id, key, val, is_encrypted) values (9000, ?, 'own', 0)")
        .run(first?.key ?? "");
      send("SIGCONT");
    },
  });

  expect(stopped.problem?.code, stopped.output).toBe("UPLOAD_CONFLICT");
  expect(sqlite.database.prepare("select val from variable where id = 9000").all()).toMatchObject([{ val: "own" }]);
}, 240_000);

test("is refused without being insisted on, and before Airflow 3 anyway", async () => {
  await using sqlite = await aSqlite(undefined, "3.3.2");
  await using older = await aSqlite();
  await using target = await withTarget(sqlite);
  await using second = await withTarget(older);

  const plain = await target.environment.plan([], { env: target.env });
  const old = await second.environment.plan(["--force", "--accept-loss"], { env: second.env });

  expect(plain.problem?.code, plain.output).toBe("TARGET_IS_SQLITE");
  expect(plain.problem?.next.join()).toContain("--force");
  expect(old.problem?.code, old.output).toBe("TARGET_IS_SQLITE");
}, 240_000);
