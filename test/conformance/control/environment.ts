import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DRAIN_POLICY } from "../../../src/airflow/drain-policy.ts";
import type { Release } from "../../../src/domain/release.ts";
import { isInRange } from "../../../src/domain/release.ts";
import { freshDatabase } from "../../airflow/support/databases.ts";
import { type AirflowInstall, ensureAirflow } from "../../airflow/support/install.ts";
import { type Environment, run, type Service, startService, waitFor } from "../../airflow/support/processes.ts";
import type { ReleaseName } from "../../airflow/support/releases.ts";

/** A genuine Airflow that runs, with an API where its release has one. */
export interface ControlledAirflow extends AsyncDisposable {
  readonly release: ReleaseName;
  readonly databaseUrl: string;
  /** Undefined for 1.10. */
  readonly apiUrl: string | undefined;
  /** When the first run of `ctl_minutely` begins: `2025-01-01T00:00`. */
  readonly minutelyStart: string;
  /** Starts a run of a DAG by Airflow's own command line. */
  readonly trigger: (dagId: string) => Promise<void>;
  /** Output of what runs, for messages. */
  readonly tails: () => Promise<string>;
}

export const USERNAME = "control";
export const PASSWORD = "canary-9Kd4-control";

const FERNET_KEY = "c2Vjcm90LWNhbmFyeS1rZXktb2YtMzItYnl0ZXMuLi4=";
const SECRET_KEY = "for tests only, no secret at all, 64 bytes long or more, as wanted";

/** How a release is run. A difference between releases is a row. */
interface Running {
  readonly in: string;
  readonly services: (port: number) => readonly (readonly string[])[];
  readonly trigger: readonly string[];
  readonly settings: (home: string, port: number) => Environment;
  /** Arguments of the command that makes the user, where one does. */
  readonly user?: readonly string[];
  /** What answers when the API is up. */
  readonly ready?: string;
}

const scheduling: Environment = {
  AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
  AIRFLOW__CORE__PARALLELISM: "4",
  AIRFLOW__SCHEDULER__PARSING_PROCESSES: "1",
  AIRFLOW__SCHEDULER__MAX_THREADS: "1",
  AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME: "0.2",
  AIRFLOW__SCHEDULER__PROCESSOR_POLL_INTERVAL: "0.5",
  AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC: "2",
  AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC: "2",
  AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK: "False",
};

/** So long that only a request can be the reason for a parse within a test. */
const RARE_PARSES: Environment = {
  AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL: "300",
  AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL: "300",
};

const user = ["--username", USERNAME, "--password", PASSWORD, "--role", "Admin", "--email", "c@example.com"];

const running: readonly Running[] = [
  {
    in: "<2.0",
    services: () => [["scheduler"]],
    trigger: ["trigger_dag"],
    // A scheduler of 1.10 schedules while it parses.
    settings: () => ({
      AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL: "2",
      AIRFLOW__CORE__STORE_SERIALIZED_DAGS: "True",
    }),
  },
  {
    in: "<3.0",
    services: (port) => [
      ["webserver", "--hostname", "127.0.0.1", "--port", String(port), "--workers", "1"],
      ["scheduler"],
    ],
    trigger: ["dags", "trigger"],
    settings: () => ({
      ...RARE_PARSES,
      AIRFLOW__API__AUTH_BACKEND: "airflow.api.auth.backend.basic_auth",
      AIRFLOW__API__AUTH_BACKENDS: "airflow.api.auth.backend.basic_auth",
      AIRFLOW__WEBSERVER__EXPOSE_CONFIG: "True",
      AIRFLOW__WEBSERVER__SECRET_KEY: SECRET_KEY,
    }),
    user: ["users", "create", ...user, "--firstname", "C", "--lastname", "C"],
    ready: "api/v1/version",
  },
  {
    in: ">=3.0",
    services: (port) => [
      ["api-server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"],
      ["dag-processor"],
      ["scheduler"],
    ],
    trigger: ["dags", "trigger"],
    settings: (home, port) => ({
      ...RARE_PARSES,
      AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS: `${USERNAME}:admin`,
      AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE: join(home, "passwords.json"),
      AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `http://127.0.0.1:${port}/execution/`,
      AIRFLOW__API__BASE_URL: `http://127.0.0.1:${port}`,
      AIRFLOW__API__SECRET_KEY: SECRET_KEY,
      AIRFLOW__API__EXPOSE_CONFIG: "True",
      AIRFLOW__API_AUTH__JWT_SECRET: SECRET_KEY,
      AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL: "5",
      AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: "1",
      AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS: "True",
      AIRFLOW__SCHEDULER__CREATE_DELTA_DATA_INTERVALS: "False",
    }),
    ready: "api/v2/version",
  },
];

function runningOf(release: Release): Running {
  const found = running.find((row) => isInRange(release, row.in));
  if (found === undefined) throw new Error(`Nobody knows how Airflow ${release} is run.`);
  return found;
}

/** Starts scheduler, API and (3.x) DAG processor on a database of their own, and waits for the API. */
export async function startControlled(release: ReleaseName, serverUrl: string): Promise<ControlledAirflow> {
  await using started = new AsyncDisposableStack();
  const install = await ensureAirflow(release);
  const row = runningOf(release);
  const name = `control_${release.replaceAll(".", "_")}`;
  const database = started.use(await freshDatabase({ install, serverUrl, name, fernetKey: FERNET_KEY }));
  const home = await mkdtemp(join(tmpdir(), "crosswind-control-"));
  started.defer(() => rm(home, { recursive: true, force: true }));
  const dags = join(home, "dags");
  await mkdir(dags);
  await mkdir(join(home, "config"));
  await writeFile(join(home, "config", "airflow_local_settings.py"), DRAIN_POLICY);
  await copyFile(new URL("./control_dags.py", import.meta.url), join(dags, "control_dags.py"));
  await writeFile(join(dags, "broken.py"), "from airflow import DAG\nraise ValueError('broken on purpose')\n");
  await writeFile(join(home, "passwords.json"), JSON.stringify({ [USERNAME]: PASSWORD }));
  const port = await freePort();
  const minutelyStart = new Date(Date.now() - 4 * 60_000).toISOString().slice(0, 16);
  const own = { AIRFLOW__CORE__DAGS_FOLDER: dags, CTL_START: minutelyStart, ...row.settings(home, port) };
  const extra = { ...scheduling, ...own };
  const env = install.env({ databaseUrl: database.url, home, fernetKey: FERNET_KEY, extra });
  if (row.user !== undefined) await run(install.airflow, row.user, { env, cwd: home });
  const services = await startAll(row.services(port), { install, env, home }, started);
  const tails = async () => (await Promise.all(services.map((each) => each.tail()))).join("\n");
  const apiUrl = row.ready === undefined ? undefined : `http://127.0.0.1:${port}`;
  if (apiUrl !== undefined) await answers(`${apiUrl}/${row.ready}`, tails);
  const trigger = async (dagId: string) => {
    await run(install.airflow, [...row.trigger, dagId], { env, cwd: home });
  };
  const kept = started.move();
  return {
    release,
    databaseUrl: database.url,
    apiUrl,
    minutelyStart,
    trigger,
    tails,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

interface Place {
  readonly install: AirflowInstall;
  readonly env: Environment;
  readonly home: string;
}

async function startAll(
  commands: readonly (readonly string[])[],
  { install, env, home }: Place,
  stack: AsyncDisposableStack,
): Promise<readonly Service[]> {
  const services: Service[] = [];
  for (const args of commands) {
    const name = args[0] ?? "";
    const logFile = join(home, `${name}.log`);
    const service = await startService({ name, command: install.airflow, args, env, cwd: home, logFile });
    services.push(stack.use(service));
  }
  return services;
}

async function answers(url: string, tails: () => Promise<string>): Promise<void> {
  const probe = async () => ((await fetch(url).catch(() => undefined))?.ok === true ? true : undefined);
  await waitFor(probe, { timeoutMs: 150_000, describe: tails });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No port is free.");
  return address.port;
}
