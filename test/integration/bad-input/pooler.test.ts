import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test, vi } from "vitest";
import { anEnvironment, type OpenDatabase } from "../../support/an-environment.ts";
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

describe("a PgBouncer in transaction mode", { skip: reason !== undefined }, () => {
  test.for(
    SETTINGS.flatMap(([name, settings]) => [
      { side: "source", name, settings } as const,
      { side: "target", name, settings } as const,
    ]),
  )("$name, in front of the $side, is told before anything is read or written", async ({ side, settings }) => {
    await using environment = await anEnvironment();
    await using bouncer = await pooler(environment[side], ["pool_mode = transaction", ...settings]);
    const env = { [`${side.toUpperCase()}_DATABASE_URL`]: bouncer.url };
    const refused = await environment.plan([], { env });
    const doctor = await environment.run(["doctor"], { env });
    await environment.plan();

    const applied = await environment.apply([], { env });

    for (const each of [refused, applied]) {
      expect([each.code, each.problem?.code], each.output).toEqual([1, "DATABASE_BEHIND_POOLER"]);
      expect(each.problem?.what).toContain(`${side} (`);
      expect(each.problem?.next.join()).toContain("name the server itself");
      expectComplete(each);
    }
    expect(doctor.text).toContain("connection pooler");
    expect(await environment.target.query("select from dag_run")).toEqual([]);
  });
});
