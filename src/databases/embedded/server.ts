import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { type Cluster, clusterUrl, failure } from "./cluster.ts";
import { codeOf, disownStalePid, findPostmaster, type Postmaster, runsIn } from "./postmaster.ts";
import { type Ended, lastLines, type Running, startProgram } from "./run-program.ts";

/** How the connections call themselves that keep a server from being stopped. */
export const LEASE_NAME = "crosswind embedded lease";

const POLL_MS = 30;
const START_MS = 60_000;
const STOP_MS = 30_000;
const START_ATTEMPTS = 8;

/** A connection held for as long as somebody needs the server, and where the server is. */
export interface Lease {
  readonly client: Client;
  readonly server: Postmaster;
  readonly password: string;
  /** True when this lease is the first of the server's life. */
  readonly isFreshlyStarted: boolean;
}

/** Connects to the server, and starts it before where it does not run. Only under the lock. */
export async function leaseServer(cluster: Cluster, password: string): Promise<Lease> {
  return (await joinRunning(cluster, password)) ?? (await startServer(cluster, password));
}

/** Connects to the server where one runs; undefined where none does. Only under the lock. */
export async function joinRunning(cluster: Cluster, password: string): Promise<Lease | undefined> {
  const deadline = AbortSignal.timeout(START_MS);
  while (!deadline.aborted) {
    const server = await findPostmaster(cluster.places.dataDir);
    if (server === undefined) {
      return undefined;
    }
    const client = await tryLease(cluster, server, password);
    if (client !== undefined) {
      return { client, server, password, isFreshlyStarted: false };
    }
    // Somebody's server is starting, recovering or stopping.
    await pause(cluster);
  }
  throw await failure(cluster, "waiting for the server that runs already to answer");
}

/** Undefined while the server cannot be talked to yet. */
async function tryLease(cluster: Cluster, { port }: Postmaster, password: string): Promise<Client | undefined> {
  const client = new Client({
    connectionString: clusterUrl(port, password, "postgres"),
    application_name: LEASE_NAME,
    connectionTimeoutMillis: 5_000,
  });
  // A server that goes away under us is told by whoever uses it; this connection is only held.
  client.on("error", () => undefined);
  try {
    await client.connect();
    // An unrelated server may have got the port of ours in the meantime.
    const { rows } = await client.query<{ readonly data_directory: string }>("SHOW data_directory");
    if (rows[0]?.data_directory === cluster.places.dataDir) {
      return client;
    }
    await client.end();
    return undefined;
  } catch (cause) {
    await client.end().catch(() => undefined);
    if (!isPassing(cause)) {
      throw await failure(cluster, "connecting to it", { code: null, error: cause as Error });
    }
    return undefined;
  }
}

/** Nobody listening, or the server starts or stops: https://www.postgresql.org/docs/17/errcodes-appendix.html */
function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  const isCut = error instanceof Error && /terminated|timeout/i.test(error.message);
  return isCut || ["ECONNREFUSED", "ECONNRESET", "57P01", "57P03"].includes(String(code));
}

async function startServer(cluster: Cluster, password: string): Promise<Lease> {
  await disownStalePid(cluster.places.dataDir);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const running = await startProgram({
      program: cluster.binaries.postgres,
      args: serverArgs(cluster, port),
      account: cluster.places.account,
      logFile: cluster.places.logFile,
    });
    const result = await awaitReady(cluster, running, password, port);
    if ("client" in result) {
      return result;
    }
    const mayPass = (await lastLines(cluster.places.logFile)).some(isPassingStartFailure);
    if (!mayPass || attempt === START_ATTEMPTS) {
      throw await failure(cluster, "starting", result);
    }
    await pause(cluster, attempt * 200);
  }
}

/** The port was taken meanwhile, or processes of a killed server have not noticed yet and hold its memory. */
function isPassingStartFailure(line: string): boolean {
  return /Address already in use|pre-existing shared memory block/.test(line);
}

function serverArgs({ places, settings }: Cluster, port: number): readonly string[] {
  const all: Readonly<Record<string, string>> = {
    timezone: "UTC",
    log_timezone: "UTC",
    ...settings,
    listen_addresses: "127.0.0.1",
    port: String(port),
    // A socket's path may have 107 characters at most, which a deep checkout exceeds.
    unix_socket_directories: "",
  };
  return ["-D", places.dataDir, ...Object.entries(all).flatMap(([key, value]) => ["-c", `${key}=${value}`])];
}

async function awaitReady(cluster: Cluster, running: Running, password: string, port: number): Promise<Lease | Ended> {
  const pid = running.child.pid ?? 0;
  // The server outlives us; until it answers, the polling keeps us awake.
  running.child.unref();
  const deadline = AbortSignal.timeout(START_MS);
  while (!deadline.aborted) {
    const end = await Promise.race([running.ended, sleep(POLL_MS)]);
    if (end !== undefined) {
      return end;
    }
    const client = await tryLease(cluster, { pid, port }, password);
    if (client !== undefined) {
      return { client, server: { pid, port }, password, isFreshlyStarted: true };
    }
    if (cluster.signal?.aborted === true) {
      running.child.kill("SIGINT");
      throw cluster.signal.reason;
    }
  }
  running.child.kill("SIGINT");
  throw await failure(cluster, `starting: no answer within ${START_MS / 1000} s`);
}

/** Stops the server of this data folder, if one runs, and waits until it is gone. Connections are cut. Only under the lock. */
export async function stopServer(cluster: Pick<Cluster, "name" | "places">): Promise<boolean> {
  const server = await findPostmaster(cluster.places.dataDir);
  if (server === undefined) {
    return false;
  }
  // SIGINT is Postgres's fast shutdown: https://www.postgresql.org/docs/17/server-shutdown.html
  process.kill(server.pid, "SIGINT");
  const deadline = AbortSignal.timeout(STOP_MS);
  while (await runsIn(server.pid, cluster.places.dataDir)) {
    if (deadline.aborted) {
      throw await failure(cluster, `stopping: process ${server.pid} is still there after ${STOP_MS / 1000} s`);
    }
    await sleep(POLL_MS);
  }
  return true;
}

async function pause({ signal }: Cluster, ms = POLL_MS): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal });
}

/** A port that nobody listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") {
    throw new Error("no TCP port on 127.0.0.1");
  }
  return address.port;
}
