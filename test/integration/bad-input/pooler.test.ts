import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test, vi } from "vitest";
import { openPostgres } from "../../../src/databases/postgres/postgres.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { anEnvironment, type OpenDatabase, type Ran } from "../../support/an-environment.ts";
import { unpackedPackages, whyNoPackages } from "../../support/debian-packages.ts";
import { expectComplete } from "../../support/expect-complete.ts";
import { freePort } from "../../support/mariadb.ts";

vi.setConfig({ testTimeout: 180_000 });

const SUITE = "bookworm";

const reason = await whyNoPackages();
if (reason !== undefined) process.stderr.write(`NOT RUN: PgBouncer: ${reason}\n`);

interface Pooler extends AsyncDisposable {
  readonly url: string;
}

/** A PgBouncer in front of a database, as one that many programs share is set up. */
async function pooler(database: OpenDatabase, settings: readonly string[]): Promise<Pooler> {
  const packages = await unpackedPackages(SUITE, ["pgbouncer"]);
  const folder = await mkdtemp(join(tmpdir(), "crosswind-pgbouncer-"));
  const { hostname, port, username, password } = new URL(database.url);
  const own = await freePort();
  const lines = [
    "[databases]",
    `* = host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${own}`,
    "unix_socket_dir =",
    "auth_type = any",
    // It refuses to stay root, and begins as root to reach its program.
    ...(userInfo().uid === 0 ? ["user = nobody"] : []),
    ...settings,
  ];
  await writeFile(join(folder, "pgbouncer.ini"), `${lines.join("\n")}\n`);
  const [file, ...args] = packages.command("usr/sbin/pgbouncer", [join(folder, "pgbouncer.ini")]);
  const child = spawn(file, args, { stdio: "ignore", cwd: "/" });
  const ended = once(child, "exit");
  const url = Object.assign(new URL(database.url), { hostname: "127.0.0.1", port: String(own) }).href;
  await vi.waitFor(
    async () => {
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.end();
    },
    { timeout: 20_000, interval: 100 },
  );
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      if (child.kill()) await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As it comes, and as it is set up for drivers that send settings of their own. Source: pgbouncer.org/config.html, ignore_startup_parameters. */
const SETTINGS = [
  ["as it comes", []],
  ["that ignores what a session begins with", ["ignore_startup_parameters = options,extra_float_digits"]],
] as const;

function expectRefused(each: Ran, side: "source" | "target"): void {
  expect([each.code, each.problem?.code], each.output).toEqual([1, "DATABASE_BEHIND_POOLER"]);
  expect(each.problem?.what).toContain(`${side} (`);
  expect(each.problem?.next.join()).toContain("name the server itself");
  expectComplete(each);
}

function codeOf(error: { readonly code?: string; readonly report?: { readonly code: string } }): string | undefined {
  return error.report?.code ?? error.code;
}

describe("a PgBouncer", { skip: reason !== undefined }, () => {
  test.for(SETTINGS)(
    "in transaction mode, %s, in front of the target, is told before anything is read or written",
    async ([, settings]) => {
      await using environment = await anEnvironment();
      await using bouncer = await pooler(environment.target, ["pool_mode = transaction", ...settings]);
      const env = { TARGET_DATABASE_URL: bouncer.url };
      const refused = await environment.plan([], { env });
      const doctor = await environment.run(["doctor"], { env });
      await environment.plan();

      const applied = await environment.apply([], { env });

      for (const each of [refused, applied]) expectRefused(each, "target");
      expect(doctor.text).toContain("connection pooler");
      expect(await environment.target.query("select from dag_run")).toEqual([]);
    },
  );

  test.for(
    SETTINGS.flatMap(([name, settings]) =>
      ["transaction", "session"].map((mode) => ({ mode, name, settings: [`pool_mode = ${mode}`, ...settings] })),
    ),
  )("in $mode mode, $name, in front of the source, is told, and read from in transactions", async ({ settings }) => {
    await using environment = await anEnvironment();
    await using bouncer = await pooler(environment.source, settings);
    const env = { SOURCE_DATABASE_URL: bouncer.url };
    const doctor = await environment.run(["doctor", "--json"], { env });

    const planned = await environment.plan([], { env });
    const applied = await environment.apply([], { env });
    await environment.source.query("update task_instance set hostname = 'elsewhere' where state = 'success'");
    await environment.source.query("insert into variable (key, val) values ('later', '1')");
    const differs = await environment.run(["verify"], { env });
    const synced = await environment.run(["sync"], { env });
    const verified = await environment.run(["verify", "--json"], { env });

    expect(doctor.output).toMatch(/connection pooler between: everything is read in transactions that refuse writes/);
    expect(planned.output).toContain("SOURCE_BEHIND_POOLER");
    expect([applied.code, synced.code, verified.code], applied.output + synced.output + verified.output).toEqual([
      0, 0, 0,
    ]);
    expect(differs.code, differs.output).toBe(3);
  });

  test("refuses writes to a source that it is in front of", async () => {
    await using environment = await anEnvironment();
    await using bouncer = await pooler(environment.source, ["pool_mode = transaction"]);
    await using source = openPostgres({ name: "source", url: new Secret(bouncer.url), readOnly: true });
    await using session = await source.session();

    const written = await session.query("update dag set is_paused = true").catch(codeOf);
    const again = await session.query("update dag set is_paused = true").catch(codeOf);
    const inTransaction = await session
      .transaction(() => session.query("delete from dag"), "isolation level repeatable read")
      .catch(codeOf);
    const settings = await session.query(
      "select current_setting('TimeZone') as zone, current_setting('bytea_output') as bytea",
    );

    expect(source.isPooled).toBe(true);
    expect([written, again, inTransaction]).toEqual(Array(3).fill("DATABASE_READ_ONLY"));
    expect(settings).toEqual([{ zone: "UTC", bytea: "hex" }]);
  });

  test("in statement mode, which keeps no transaction together, is refused on either side", async () => {
    await using environment = await anEnvironment();
    await using bouncer = await pooler(environment.source, ["pool_mode = statement"]);

    const refused = await environment.plan([], { env: { SOURCE_DATABASE_URL: bouncer.url } });

    expectRefused(refused, "source");
  });
});
