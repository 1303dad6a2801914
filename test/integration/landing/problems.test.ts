import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { aStaging, interrupted, rawSource } from "../../support/a-landing.ts";
import { aSqlite } from "../../support/a-sqlite.ts";
import { anEnvironment } from "../../support/an-environment.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-problems-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** The code of what stops a landing. */
async function stopped(url: string): Promise<string> {
  await using staging = await aStaging();
  const error = await staging.land(url).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return String((error as { code?: unknown } | undefined)?.code);
}

test("a SQLite source that is not there, no file, empty, encrypted or no database", async () => {
  const folder = await aFolder();
  const file = join(folder, "airflow.db");
  const codes = [await stopped(`sqlite:///${file}`), await stopped(`sqlite:///${folder}`)];
  for (const content of [Buffer.alloc(0), randomBytes(8192), Buffer.from("a text\n".repeat(1000))]) {
    await writeFile(file, content);
    codes.push(await stopped(`sqlite:///${file}`));
  }

  expect(codes).toEqual([
    "SQLITE_FILE_MISSING",
    "SQLITE_FILE_MISSING",
    "SQLITE_NOT_A_DATABASE",
    "SQLITE_NOT_A_DATABASE",
    "SQLITE_NOT_A_DATABASE",
  ]);
  await expect(readFile(`${file}-journal`)).rejects.toThrow(/ENOENT/);
});

test("a SQLite file that was cut off in the middle, and one that is no Airflow's", async () => {
  const folder = await aFolder();
  await using sqlite = await aSqlite();
  const [cut, other] = [join(folder, "cut.db"), join(folder, "other.db")];
  await copyFile(sqlite.file, cut);
  const handle = await open(cut, "r+");
  await handle.truncate(200 * 1024);
  await handle.close();
  new DatabaseSync(other).exec("create table cars (id integer)");

  expect(await stopped(`sqlite:///${cut}`)).toBe("SQLITE_CORRUPT");
  expect(await stopped(`sqlite:///${other}`)).toBe("DATABASE_NOT_INITIALISED");
});

test("a SQLite file that somebody keeps locked", { timeout: 60_000 }, async () => {
  await using sqlite = await aSqlite();
  sqlite.database.exec("begin exclusive");

  expect(await stopped(sqlite.url)).toBe("SQLITE_LOCKED");
});

test("a SQLite source can not be written to by way of its reading", async () => {
  await using sqlite = await aSqlite();
  const before = await readFile(sqlite.file);
  await using staging = await aStaging();

  await staging.land(sqlite.url);

  expect((await readFile(sqlite.file)).equals(before)).toBe(true);
});

test("says of a SQLite file as a target that nothing can be written there", async () => {
  await using environment = await anEnvironment({ source: "airflow-2.10.5-empty" });

  const planned = await environment.plan([], { env: { TARGET_DATABASE_URL: "sqlite:////opt/airflow/airflow.db" } });

  expect(planned.problem?.code).toBe("TARGET_IS_SQLITE");
});

test("says of a MySQL target that can not be reached so, without its password", async () => {
  await using environment = await anEnvironment({ source: "airflow-2.10.5-empty" });

  const url = "mysql+pymysql://airflow:canary@127.0.0.1:1/airflow";
  const planned = await environment.plan([], { env: { TARGET_DATABASE_URL: url } });

  expect(planned.problem?.code).toBe("DATABASE_UNREACHABLE");
  expect(planned.output).not.toContain("canary");
});

test.for([
  ["mysql://airflow:12/ary@db/airflow", "percent-encoded"],
  ["mysql://airflow:canary@db", "names no database"],
  ["sqlite:///", "sqlite:////ABSOLUTE/PATH"],
] as const)("refuses %s without repeating it", async ([url, why]) => {
  await using environment = await anEnvironment({ source: "nothing" });

  const planned = await environment.plan([], { env: { SOURCE_DATABASE_URL: url } });

  expect(planned.problem?.code).toBe("DATABASE_URL_INVALID");
  expect(planned.problem?.what).toContain(why);
  expect(planned.output).not.toContain("ary");
});

onEachServer((at) => {
  test("a MariaDB that does not answer, refuses the login, has no such database or is no Airflow's", async () => {
    await using mariadb = await aMariadb(at());
    const address = `127.0.0.1:${at().port}`;
    const codes = [
      await stopped(`mysql://x:y@127.0.0.1:1/airflow`),
      await stopped(`mysql://${mariadb.name}:wrong@${address}/${mariadb.name}`),
      await stopped(`mariadb+mysqldb://root@${address}/no_such_database`),
      await stopped(`mysql://root@${address}/mysql`),
    ];

    expect(codes).toEqual([
      "DATABASE_UNREACHABLE",
      "DATABASE_REFUSED",
      "DATABASE_UNREACHABLE",
      "DATABASE_NOT_INITIALISED",
    ]);
  });

  test("a MariaDB whose connection is lost in the middle, and tables that may not be read", async () => {
    await using mariadb = await aMariadb(at());
    await using staging = await aStaging();
    const killing = interrupted(rawSource(mariadb.url), async (table) => {
      if (table !== "log_template") return;
      const [process] = await mariadb.query("select id from information_schema.processlist where user = ?", [
        mariadb.name,
      ]);
      await mariadb.query(`kill ${Number(process?.["id"])}`);
    });

    await expect(staging.land(killing)).rejects.toMatchObject({ code: "DATABASE_CONNECTION_LOST" });

    await mariadb.query(`revoke select on ${mariadb.name}.* from '${mariadb.name}'@'%'`);
    await mariadb.query(`grant select on ${mariadb.name}.alembic_version to '${mariadb.name}'@'%'`);
    expect(await stopped(mariadb.url)).toBe("SCHEMA_HALF_MIGRATED");
  });

  test("a MariaDB source refuses writes in the session that reads it", async () => {
    await using mariadb = await aMariadb(at());
    await mariadb.query(`grant all on ${mariadb.name}.* to '${mariadb.name}'@'%'`);
    await using reading = await rawSource(mariadb.url).read();
    const table = { name: "slot_pool` for update; delete from `slot_pool", columns: [], key: [] };

    await expect(reading.rows(table)[Symbol.asyncIterator]().next()).rejects.toThrow();
    expect(await mariadb.query("select count(*) as n from slot_pool")).toEqual([{ n: 1 }]);
  });
});
