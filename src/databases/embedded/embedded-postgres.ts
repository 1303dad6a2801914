import { chmod, readdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import { type Binaries, findPackage, prepareBinaries } from "./binaries.ts";
import { type Cluster, clusterUrl } from "./cluster.ts";
import { ensureInitialised } from "./data-folder.ts";
import { type EmbeddedHost, serverAccount } from "./host.ts";
import { withLock } from "./lock.ts";
import { type EmbeddedRecord, findPlaces, NoPlace, type Places } from "./places.ts";
import { EMBEDDED_POSTGRES_FAILED } from "./problems.ts";
import { joinRunning, LEASE_NAME, type Lease, leaseServer, stopServer } from "./server.ts";

/** Which embedded Postgres is wanted. */
export interface EmbeddedOptions {
  /** Letters, digits, `-`; each name is a server of its own: "state", "test". */
  readonly name: string;
  /** The folder that gets (or has) `.crosswind/`. Absolute. */
  readonly homeDir: string;
  readonly host: EmbeddedHost;
  /** Server settings, as `fsync: "off"`; they count only where the server is not running yet. Default: none. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Ends the waiting for a lock or a start; the server itself is left alone. */
  readonly signal?: AbortSignal;
}

/**
 * A running Postgres that this process and others share.
 *
 * Disposing of it stops the server when nobody else has it open or is connected to it, so that the last command to leave
 * turns off the light; also where a killed process had left it running.
 */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** On 127.0.0.1. It changes with every start of the server. */
  readonly port: number;
  readonly dataDir: string;
  /** True when the server did not run before. */
  readonly isFreshlyStarted: boolean;
  /** The connection string of a database, with the superuser's password: do not print it. */
  url(database: string): string;
  /** Makes an empty database, or a copy of `template`, to which nobody may be connected. */
  createDatabase(name: string, options?: { readonly template?: string }): Promise<void>;
  /** Drops the database, if it is there, with the connections to it. */
  dropDatabase(name: string): Promise<void>;
  /** All databases but Postgres's own three, by name. */
  listDatabases(): Promise<readonly string[]>;
}

/**
 * Opens the embedded Postgres `name` of a home folder: finds it running, or starts it, or makes it first.
 *
 * It listens on a free port of 127.0.0.1 alone, with a random password, and never runs as root.
 *
 * @throws EMBEDDED_PLATFORM_UNSUPPORTED, EMBEDDED_POSTGRES_FAILED
 */
export async function openEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { places, binaries } = await prepare(options);
  const cluster: Cluster = {
    name: options.name,
    places,
    binaries,
    settings: options.settings ?? {},
    signal: options.signal,
  };
  return withLock(places.lockFile, options.signal, async () => {
    const password = await ensureInitialised(cluster);
    const lease = await leaseServer(cluster, password);
    holdProcess(lease.client, false);
    await writeRecord(cluster, lease);
    return openedBy(cluster, lease);
  });
}

/**
 * Stops the embedded Postgres, if it runs, also under those who use it. With `remove`, deletes its data as well.
 *
 * @returns true when one was running
 */
export async function stopEmbeddedPostgres(
  options: Pick<EmbeddedOptions, "name" | "homeDir" | "host">,
  { remove = false }: { readonly remove?: boolean } = {},
): Promise<boolean> {
  const places = await placesOf(options);
  return withLock(places.lockFile, undefined, async () => {
    const wasRunning = await stopServer({ name: options.name, places });
    if (remove) {
      await removeData(places);
    }
    return wasRunning;
  });
}

async function removeData(places: Places): Promise<void> {
  await rm(places.passwordFile, { force: true });
  await rm(places.dataDir, { recursive: true, force: true });
  await rm(places.recordFile, { force: true });
  const isOutside = places.copyDir !== dirname(places.recordFile);
  const left = await readdir(places.copyDir);
  if (isOutside && !left.some((name) => name.startsWith("postgres-"))) {
    await rm(places.copyDir, { recursive: true, force: true });
  }
}

async function prepare(options: EmbeddedOptions): Promise<{ readonly places: Places; readonly binaries: Binaries }> {
  const packageDir = findPackage(options.host);
  const places = await placesOf(options);
  return { places, binaries: await prepareBinaries(packageDir, places.copyDir, places.account) };
}

async function placesOf({ name, homeDir, host }: EmbeddedOptions): Promise<Places> {
  try {
    return await findPlaces(homeDir, name, host, await serverAccount(host));
  } catch (cause) {
    if (!(cause instanceof NoPlace)) {
      throw cause;
    }
    const doing = `looking for a place: ${cause.message}`;
    throw EMBEDDED_POSTGRES_FAILED({ name, doing, log: [], logFile: `${homeDir}/.crosswind` }, { cause });
  }
}

async function writeRecord({ name, places, binaries }: Cluster, { server }: Lease): Promise<void> {
  const uid = places.account?.uid ?? process.getuid?.() ?? -1;
  const record: EmbeddedRecord = { name, ...server, dataDir: places.dataDir, binDir: binaries.binDir, uid };
  await writeFile(places.recordFile, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await chmod(places.recordFile, 0o600);
}

function openedBy(cluster: Cluster, lease: Lease): EmbeddedPostgres {
  const url = (database: string) => clusterUrl(lease.server.port, lease.password, database);
  const run = (sql: string) => runSql(url("postgres"), sql);
  return {
    port: lease.server.port,
    dataDir: cluster.places.dataDir,
    isFreshlyStarted: lease.isFreshlyStarted,
    url,
    createDatabase: async (name, { template = "template0" } = {}) => {
      await run(`CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)}`);
    },
    dropDatabase: async (name) => {
      await run(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
    },
    listDatabases: async () => {
      const rows = await run(
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1",
      );
      return rows.map((row) => String(row["datname"]));
    },
    [Symbol.asyncDispose]: () => close(cluster, lease),
  };
}

async function runSql(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function close(cluster: Cluster, { client, password }: Lease): Promise<void> {
  await withLock(cluster.places.lockFile, undefined, async () => {
    holdProcess(client, true);
    const observer = (await isAnswering(client)) ? client : (await joinRunning(cluster, password))?.client;
    const isNeeded = observer === undefined || (await isUsedByOthers(observer));
    await observer?.end();
    if (!isNeeded) {
      await stopServer(cluster);
    }
  });
}

/** False when the server was killed since; by now another may run on the same data, and have users. */
async function isAnswering(client: Client): Promise<boolean> {
  return client.query("SELECT 1").then(
    () => true,
    () => false,
  );
}

/** Connections that were closed a moment ago are still listed, so plain ones get a second to disappear; leases stay. */
async function isUsedByOthers(observer: Client): Promise<boolean> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const { leases, others } = await countOthers(observer);
    if (leases > 0 || others === 0) {
      return leases > 0;
    }
    await sleep(25);
  }
  return true;
}

interface Others {
  readonly leases: number;
  readonly others: number;
}

async function countOthers(observer: Client): Promise<Others> {
  const { rows } = await observer.query<Others>(
    `SELECT count(*) FILTER (WHERE application_name = $1)::int AS leases, count(*)::int AS others
       FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()`,
    [LEASE_NAME],
  );
  return rows[0] ?? { leases: 0, others: 0 };
}

/** A lease that nobody disposed of must not keep the process from ending. */
function holdProcess(client: Client, isHeld: boolean): void {
  // `ref` and `unref` are missing in the types only.
  const { ref, unref } = client as unknown as { readonly ref: () => void; readonly unref: () => void };
  (isHeld ? ref : unref).call(client);
}
