import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { findPackage, prepareBinaries } from "../../src/databases/embedded/binaries.ts";
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  openEmbeddedPostgres,
  stopEmbeddedPostgres,
} from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";
import type { EmbeddedRecord } from "../../src/databases/embedded/places.ts";
import { runsIn } from "../../src/databases/embedded/postmaster.ts";

const isRoot = process.getuid?.() === 0;

async function home(mode = 0o755): Promise<EmbeddedOptions & AsyncDisposable> {
  const homeDir = await mkdtemp(join(tmpdir(), "crosswind-home-"));
  await chmod(homeDir, mode);
  const options = { name: "trial", homeDir, host: thisHost("throwaway"), settings: { fsync: "off" } };
  return {
    ...options,
    [Symbol.asyncDispose]: async () => {
      await stopEmbeddedPostgres(options, { remove: true });
      await rm(homeDir, { recursive: true });
    },
  };
}

async function ask(postgres: EmbeddedPostgres, sql: string, database = "postgres"): Promise<unknown> {
  const client = new Client({ connectionString: postgres.url(database) });
  await client.connect();
  const { rows } = await client.query({ text: sql, rowMode: "array" });
  await client.end();
  return (rows as unknown[][])[0]?.[0];
}

async function record({ homeDir }: EmbeddedOptions): Promise<EmbeddedRecord> {
  return JSON.parse(await readFile(join(homeDir, ".crosswind", "embedded-trial.json"), "utf8")) as EmbeddedRecord;
}

/** Another command: opens the server, says so, and waits to be killed or, with `go`, ends at once. */
function otherCommand(options: EmbeddedOptions, end: "go" | "wait") {
  const module = pathToFileURL(join(import.meta.dirname, "../../src/databases/embedded/embedded-postgres.ts"));
  const code = `
    import { openEmbeddedPostgres } from ${JSON.stringify(module.href)};
    await using postgres = await openEmbeddedPostgres(${JSON.stringify(options)});
    console.log(postgres.port);
    ${end === "wait" ? "await new Promise((resolve) => setTimeout(resolve, 60_000));" : ""}`;
  return spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function isGone({ pid, dataDir }: EmbeddedRecord): Promise<boolean> {
  return !(await runsIn(pid, dataDir));
}

describe("an embedded Postgres", () => {
  test("starts in UTF-8, asks for the password, listens on the loopback alone, and is gone after use", async () => {
    await using options = await home();
    let port: number;
    {
      await using postgres = await openEmbeddedPostgres(options);
      port = postgres.port;

      expect(await ask(postgres, "SELECT datlocale || ' ' || pg_encoding_to_char(encoding) FROM pg_database")).toBe(
        "C.UTF-8 UTF8",
      );
      expect(await ask(postgres, "SHOW listen_addresses")).toBe("127.0.0.1");
      expect(await ask(postgres, "SHOW unix_socket_directories")).toBe("");
      expect(await ask(postgres, "SHOW fsync")).toBe("off");
      const intruder = new Client({
        host: "127.0.0.1",
        port,
        user: "crosswind",
        password: "guess",
        database: "postgres",
      });
      await expect(intruder.connect()).rejects.toMatchObject({ code: "28P01" });
    }
    const late = new Client({ host: "127.0.0.1", port, user: "crosswind", password: "", database: "postgres" });
    await expect(late.connect()).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect((await stat(join(options.homeDir, ".crosswind", "embedded-trial.password"))).mode & 0o777).toBe(0o600);
  });

  test("keeps its data from one start to the next, and copies a template", async () => {
    await using options = await home();
    {
      await using postgres = await openEmbeddedPostgres(options);
      await postgres.createDatabase("Old one");
      await ask(postgres, "CREATE TABLE t AS SELECT 42 AS n", "Old one");
    }
    await using postgres = await openEmbeddedPostgres(options);
    await postgres.createDatabase("copy", { template: "Old one" });
    await postgres.dropDatabase("Old one");

    expect(await postgres.listDatabases()).toEqual(["copy"]);
    expect(await ask(postgres, "SELECT n FROM t", "copy")).toBe(42);
  });

  test("is shared, and stopped by the last one who leaves", async () => {
    await using options = await home();
    const first = await openEmbeddedPostgres(options);
    const second = await openEmbeddedPostgres(options);
    expect([second.port, first.isFreshlyStarted, second.isFreshlyStarted]).toEqual([first.port, true, false]);

    await first[Symbol.asyncDispose]();
    expect(await ask(second, "SELECT 1")).toBe(1);
    await second[Symbol.asyncDispose]();

    expect(await isGone(await record(options))).toBe(true);
  });

  test("is started once by commands that begin at the same moment", async () => {
    await using options = await home();
    const commands = [1, 2, 3].map(() => otherCommand(options, "wait"));
    const ports = await Promise.all(commands.map(async ({ stdout }) => String((await once(stdout, "data"))[0])));
    for (const command of commands) {
      command.kill("SIGKILL");
    }

    expect(new Set(ports).size).toBe(1);
  });

  test("that a killed command left behind is found by the next one", async () => {
    await using options = await home();
    const killed = otherCommand(options, "wait");
    const [port] = await once(killed.stdout, "data");
    killed.kill("SIGKILL");
    await once(killed, "exit");

    await using next = await openEmbeddedPostgres(options);

    expect([next.port, next.isFreshlyStarted]).toEqual([Number(port), false]);
  });

  test("ends with the command that opened it", async () => {
    await using options = await home();
    const command = otherCommand(options, "go");
    const [code] = await once(command, "exit");

    expect(code).toBe(0);
    expect(await isGone(await record(options))).toBe(true);
  });

  test("comes back with its data after kill -9, also for one who still had it open", async () => {
    await using options = await home();
    const hurt = await openEmbeddedPostgres(options);
    await hurt.createDatabase("kept");
    process.kill((await record(options)).pid, "SIGKILL");

    await using postgres = await openEmbeddedPostgres(options);
    await hurt[Symbol.asyncDispose]();

    expect(postgres.isFreshlyStarted).toBe(true);
    expect(await ask(postgres, "SELECT 1", "kept")).toBe(1);
  });

  test("whose password is lost is set aside, not deleted", async () => {
    await using options = await home();
    {
      await using postgres = await openEmbeddedPostgres(options);
      await postgres.createDatabase("old");
    }
    await rm(join(options.homeDir, ".crosswind", "embedded-trial.password"));

    await using postgres = await openEmbeddedPostgres(options);

    expect(await postgres.listDatabases()).toEqual([]);
    expect(await readdir(join(postgres.dataDir, ".."))).toContainEqual(
      expect.stringMatching(/^postgres-trial\.aside-/),
    );
  });

  test("tells the end of its log when it cannot start", async () => {
    await using options = await home();

    const opened = openEmbeddedPostgres({ ...options, settings: { shared_buffers: "nonsense" } });

    await expect(opened).rejects.toMatchObject({ code: "EMBEDDED_POSTGRES_FAILED" });
    await expect(opened).rejects.toThrow(/shared_buffers.*nonsense/);
  });

  test("runs from a copy of its programs when they lie where others cannot go", { skip: !isRoot }, async () => {
    await using options = await home(0o700);
    const account = { uid: 65_534, gid: 65_534 };
    const from = findPackage(options.host);
    const hidden = join(options.homeDir, "package");
    await cp(from, hidden, { recursive: true, verbatimSymlinks: true });
    const copyDir = await mkdtemp(join(tmpdir(), "crosswind-copy-"));
    await chmod(copyDir, 0o711);

    const { postgres } = await prepareBinaries(hidden, copyDir, account);
    const version = spawn(postgres, ["--version"], { cwd: "/", ...account, stdio: ["ignore", "pipe", "inherit"] });
    const [said] = await once(version.stdout, "data");

    expect(postgres.startsWith(copyDir)).toBe(true);
    expect(String(said)).toMatch(/^postgres \(PostgreSQL\) 17/);
    await rm(copyDir, { recursive: true });
  });

  test("never runs as root", { skip: !isRoot }, async () => {
    await using options = await home();
    await using postgres = await openEmbeddedPostgres(options);
    const { pid, uid } = await record(options);

    expect((await stat(`/proc/${pid}`)).uid).toBe(uid);
    expect(uid).toBeGreaterThan(0);
    expect((await stat(postgres.dataDir)).uid).toBe(uid);
    expect(postgres.dataDir.startsWith(options.homeDir)).toBe(true);
  });

  test("of a home that only root can enter lives outside, and is found again there", { skip: !isRoot }, async () => {
    await using options = await home(0o700);
    let outside: string;
    {
      await using postgres = await openEmbeddedPostgres(options);
      outside = postgres.dataDir;
      await postgres.createDatabase("kept");
    }
    await using again = await openEmbeddedPostgres(options);

    expect(outside.startsWith(options.homeDir)).toBe(false);
    expect((await stat(join(outside, ".."))).mode & 0o777).toBe(0o711);
    expect(again.dataDir).toBe(outside);
    expect(await again.listDatabases()).toEqual(["kept"]);
  });
});
