import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { appendFile, chown, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { serverAccount, thisHost } from "../../src/databases/embedded/host.ts";
import { freePort } from "./mariadb.ts";

/** Where Debian keeps the programs of each version; the embedded package has but three of them. */
const VERSIONS = "/usr/lib/postgresql";
const SUPERUSER = "crosswind";

type Settings = Readonly<Record<string, string>>;

/** A Postgres server of one test's own, which it may stop, copy, promote and hurt; gone at the end of the scope. */
export interface PrivateCluster extends AsyncDisposable {
  readonly dataFolder: string;
  readonly port: number;
  /** As superuser; no password is asked for. */
  url(database: string): string;
  query(database: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  start(): Promise<void>;
  /** Gently by default; `immediate`: as when the machine goes down. */
  stop(how?: "fast" | "immediate"): Promise<void>;
  /** Makes a standby a primary, on a timeline of its own. */
  promote(): Promise<void>;
  /** Runs a program of that version on the data folder: `pg_resetwal`. */
  run(program: string, args: readonly string[]): Promise<void>;
  /** A server that follows this one, from a copy of its files; this one is stopped meanwhile. */
  standby(settings?: Settings): Promise<PrivateCluster>;
}

interface ClusterOptions {
  /** Default: the server's own, without fsync. */
  readonly settings?: Settings;
  /** A folder that is there and empty, for the rows; their log is elsewhere then. */
  readonly dataFolder?: string;
}

function programs(): string | undefined {
  try {
    const newest = readdirSync(VERSIONS).sort((one, other) => Number(other) - Number(one))[0];
    return newest === undefined ? undefined : join(VERSIONS, newest, "bin");
  } catch {
    return undefined;
  }
}

/** Why there can be none here, or undefined. Meant for a loud "not run"; throws in CI, where nobody would read it. */
export function whyNoPrivateCluster(): string | undefined {
  const reason = programs() === undefined ? `there are no PostgreSQL programs in ${VERSIONS}` : undefined;
  if (reason !== undefined && process.env["CI"]) throw new Error(`NOT RUN: ${reason}`);
  return reason;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const account = await serverAccount(thisHost("throwaway"));
  await promisify(execFile)(join(programs() ?? "", program), [...args], { cwd: "/", env: { LC_ALL: "C" }, ...account });
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-cluster-"));
  await give(folder);
  return folder;
}

/** Makes a folder the server's account's own. */
async function give(folder: string): Promise<void> {
  const account = await serverAccount(thisHost("throwaway"));
  if (account !== undefined) await chown(folder, account.uid, account.gid);
}

/** Makes a cluster and starts it. */
export async function privateCluster({ settings = {}, dataFolder }: ClusterOptions = {}): Promise<PrivateCluster> {
  const folder = await ownFolder();
  const data = dataFolder ?? join(folder, "data");
  if (dataFolder !== undefined) await give(dataFolder);
  const apart = dataFolder === undefined ? [] : ["-X", join(folder, "wal")];
  await run("initdb", ["-D", data, ...apart, "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
  return await opened(folder, data, { fsync: "off", ...settings });
}

async function opened(folder: string, data: string, settings: Settings): Promise<PrivateCluster> {
  const port = await freePort();
  const all = { ...settings, listen_addresses: "127.0.0.1", port: String(port), unix_socket_directories: "" };
  const given = Object.entries(all).map(([name, value]) => `-c ${name}='${value}'`);
  const control = (...args: readonly string[]) => run("pg_ctl", ["-D", data, "-w", "-t", "60", ...args]);
  const url = (database: string) => `postgresql://${SUPERUSER}:none@127.0.0.1:${port}/${database}`;
  const cluster: PrivateCluster = {
    dataFolder: data,
    port,
    url,
    query: async (database, sql) => {
      const client = new Client({ connectionString: url(database) });
      await client.connect();
      try {
        return (await client.query<Readonly<Record<string, unknown>>>(sql)).rows;
      } finally {
        await client.end();
      }
    },
    start: () => control("-l", join(folder, "log"), "-o", given.join(" "), "start"),
    stop: (how = "fast") => control("-m", how, "stop"),
    promote: () => control("promote"),
    run: (program, args) => run(program, ["-D", data, ...args]),
    standby: async (more = {}) => {
      await cluster.stop();
      const copy = await ownFolder();
      await cp(data, join(copy, "data"), { recursive: true, preserveTimestamps: true });
      await cluster.start();
      await writeFile(join(copy, "data/standby.signal"), "");
      const primary = `host=127.0.0.1 port=${port} user=${SUPERUSER}`;
      await appendFile(join(copy, "data/postgresql.auto.conf"), `primary_conninfo = '${primary}'\n`);
      await giveAll(copy);
      return await opened(copy, join(copy, "data"), { ...settings, ...more });
    },
    [Symbol.asyncDispose]: async () => {
      await control("-m", "immediate", "stop").catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await cluster.start();
  return cluster;
}

async function giveAll(folder: string): Promise<void> {
  const account = await serverAccount(thisHost("throwaway"));
  if (account === undefined) return;
  await promisify(execFile)("chown", ["-R", `${account.uid}:${account.gid}`, folder]);
}
