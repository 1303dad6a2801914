import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isInRange } from "../../../src/domain/release.ts";
import { type AirflowApi, connectApi } from "./api.ts";
import { freshDatabase, query } from "./databases.ts";
import { type AirflowInstall, ensureAirflow } from "./install.ts";
import { dagFolder } from "./paths.ts";
import { type Environment, run, type Service, startService, waitFor } from "./processes.ts";
import type { ReleaseName } from "./releases.ts";

const cutoverFolder = join(dagFolder, "cutover");

/** The file with one DAG of every plain kind of schedule. */
export const plainKindsFile = join(cutoverFolder, "cutover_dags.py");

/** The file with the other kinds; some of their tasks wait for the test. */
export const rareKindsFile = join(cutoverFolder, "cutover_rare_dags.py");

/** The file with as many DAGs as `CUTOVER_MANY` says, or, under the name of a DAG, with that one. */
export const manyFile = join(cutoverFolder, "cutover_many.py");

/** The file with the ten DAGs of the wave that is killed. */
export const tenFile = join(cutoverFolder, "cutover_ten.py");

/** The file with `cut_slow_producer` and `cut_started`, which its events start. */
export const chainFile = join(cutoverFolder, "cutover_chain.py");

/** The file with one DAG that runs every two minutes, `cut_trap`, and `cut_half`, which has two tasks and is never due. */
export const trapFile = join(cutoverFolder, "cutover_trap.py");

/** The file with `cut_busy` and `cut_due`, whose runs follow each other without a gap. */
export const busyFile = join(cutoverFolder, "cutover_busy.py");

/** A genuine Airflow, on a database of its own, that schedules and runs DAGs. */
export interface SchedulingAirflow extends AsyncDisposable {
  readonly release: ReleaseName;
  readonly install: AirflowInstall;
  readonly databaseUrl: string;
  readonly fernetKey: string;
  readonly env: Environment;
  readonly home: string;
  /** Airflow 3 only: its tasks need the server. */
  readonly api: AirflowApi | undefined;
  /** Rows of a query on its metadata database. */
  readonly query: <Row>(sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>;
  /** Waits until these DAGs are parsed, three minutes at most by default, and fails on an import error. */
  readonly parsed: (dagIds: readonly string[], timeoutMs?: number) => Promise<void>;
  /** Throws, with its output, when a service has ended. */
  readonly assertAlive: () => Promise<void>;
  readonly scheduler: Service;
  /** Starts a run of a DAG. */
  readonly trigger: (dagId: string) => Promise<void>;
  /** The last output of all services. */
  readonly tails: () => Promise<string>;
}

export interface SchedulingOptions {
  readonly release: ReleaseName;
  /** Any database of the server; its user may create databases. */
  readonly serverUrl: string;
  readonly name: string;
  readonly fernetKey: string;
  readonly isPausedAtCreation: boolean;
  /** Files that become its DAG folder. */
  readonly dagFiles: readonly string[];
  /** When its DAGs begin: `2025-01-01T00:00`, UTC. */
  readonly start: string;
  /** The folder where the test lays files of what is held; without it nothing is. */
  readonly holdsDir?: string;
  /** Timetables and tasks of a plugin, and what runs deferred tasks: from 2.2 on. Default false. */
  readonly hasPlugin?: boolean;
  readonly extra?: Environment;
  /** What its `airflow_local_settings.py` says. Default: it has none. */
  readonly localSettings?: string;
}

const SECRET_KEY = "for tests only, no secret at all, 64 bytes long or more, as wanted";

/** How a release is run. A difference between releases is a row. */
interface Running {
  readonly in: string;
  readonly services: (port: number) => readonly (readonly string[])[];
  /** Starts a run of a DAG. */
  readonly trigger: readonly string[];
  readonly settings: (port: number) => Environment;
  readonly isParsed: string;
}

const running: readonly Running[] = [
  {
    in: "<2.0",
    services: () => [["scheduler"]],
    trigger: ["trigger_dag"],
    // A scheduler of 1.10 schedules while it parses.
    settings: () => ({
      AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL: "2",
      AIRFLOW__SCHEDULER__PROCESSOR_POLL_INTERVAL: "0.5",
      AIRFLOW__SCHEDULER__MAX_THREADS: "1",
      AIRFLOW__CORE__STORE_SERIALIZED_DAGS: "True",
    }),
    isParsed: "is_active",
  },
  {
    in: "<3.0",
    services: () => [["scheduler"]],
    trigger: ["dags", "trigger"],
    settings: () => ({}),
    isParsed: "is_active",
  },
  {
    in: ">=3.0",
    services: (port) => [
      ["api-server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"],
      ["dag-processor"],
      ["scheduler"],
    ],
    trigger: ["dags", "trigger"],
    settings: (port) => ({
      AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS: "True",
      AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `http://127.0.0.1:${port}/execution/`,
      AIRFLOW__API__BASE_URL: `http://127.0.0.1:${port}`,
      AIRFLOW__API__SECRET_KEY: SECRET_KEY,
      AIRFLOW__API_AUTH__JWT_SECRET: SECRET_KEY,
      AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL: "5",
      AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: "1",
      // Without these two, Airflow 3 labels the next run of a cron one interval later than 2.x did.
      AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS: "True",
      AIRFLOW__SCHEDULER__CREATE_DELTA_DATA_INTERVALS: "True",
    }),
    isParsed: "not is_stale and exists (select from dag_version v where v.dag_id = dag.dag_id)",
  },
];

const scheduling: Environment = {
  AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
  AIRFLOW__CORE__PARALLELISM: "4",
  AIRFLOW__SCHEDULER__PARSING_PROCESSES: "1",
  AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME: "0.5",
  AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC: "2",
  AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC: "2",
  AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK: "False",
};

/** Starts all services of a release on a freshly made database; waits for its server, but not for the first parse. */
export async function startScheduling(options: SchedulingOptions): Promise<SchedulingAirflow> {
  await using started = new AsyncDisposableStack();
  const install = await ensureAirflow(options.release);
  const database = started.use(await freshDatabase({ ...options, install }));
  const home = await mkdtemp(join(tmpdir(), "crosswind-cutover-"));
  started.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  await mkdir(join(home, "dags"));
  for (const file of options.dagFiles) await copyFile(file, join(home, "dags", basename(file)));
  if (options.localSettings !== undefined) {
    await mkdir(join(home, "config"));
    await writeFile(join(home, "config", "airflow_local_settings.py"), options.localSettings);
  }
  await mkdir(join(home, "kit"));
  await copyFile(join(cutoverFolder, "cutover_kit.py"), join(home, "kit", "cutover_kit.py"));
  if (options.hasPlugin === true) await cp(join(cutoverFolder, "plugins"), join(home, "plugins"), { recursive: true });
  const port = await freePort();
  const row = running.find((each) => isInRange(options.release, each.in));
  if (row === undefined) throw new Error(`Nobody knows how Airflow ${options.release} is run.`);
  const extra = {
    ...scheduling,
    ...row.settings(port),
    // Some of the files name neither Airflow nor a DAG.
    AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE: "False",
    PYTHONPATH: join(home, "kit"),
    CUTOVER_HOLDS: options.holdsDir ?? join(home, "holds"),
    AIRFLOW__CORE__DAGS_FOLDER: join(home, "dags"),
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION: options.isPausedAtCreation ? "True" : "False",
    CUTOVER_START: options.start,
    ...options.extra,
  };
  const env = install.env({ databaseUrl: database.url, home, fernetKey: options.fernetKey, extra });
  const services: Service[] = [];
  for (const args of [...row.services(port), ...(options.hasPlugin === true ? [["triggerer"]] : [])]) {
    const name = args[0] ?? "";
    const logFile = join(home, `${name}.log`);
    services.push(started.use(await startService({ name, command: install.airflow, args, env, cwd: home, logFile })));
  }
  const server = services.find((each) => each.name === "api-server");
  const api = server === undefined ? undefined : await connectApi(`http://127.0.0.1:${port}`, server);
  const kept = started.move();
  return {
    release: options.release,
    fernetKey: options.fernetKey,
    databaseUrl: database.url,
    // Commands see the settings that the services have.
    install: { ...install, env: (own) => install.env({ ...own, extra: { ...options.extra, ...own.extra } }) },
    env,
    home,
    api,
    trigger: async (dagId) => {
      await run(install.airflow, [...row.trigger, dagId], { env, cwd: home });
    },
    ...reading(database.url, services, row.isParsed),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Reading = Pick<SchedulingAirflow, "query" | "parsed" | "assertAlive" | "scheduler" | "tails">;

function reading(url: string, services: readonly Service[], isParsed: string): Reading {
  const scheduler = services.find((each) => each.name === "scheduler");
  if (scheduler === undefined) throw new Error("No scheduler was started.");
  const assertAlive = async (): Promise<void> => {
    for (const service of services)
      if (!service.alive()) throw new Error(`${service.name} ended:\n${await service.tail()}`);
  };
  return {
    scheduler,
    assertAlive,
    query: (sql, values) => query(url, sql, values),
    tails: async () => (await Promise.all(services.map((each) => each.tail()))).join("\n"),
    parsed: async (dagIds, timeoutMs = 180_000) => {
      const probe = async (): Promise<true | undefined> => {
        await assertAlive();
        const [error] = await query<{ stacktrace: string }>(url, "select stacktrace from import_error");
        if (error !== undefined) throw new Error(`A DAG file does not import:\n${error.stacktrace}`);
        const found = await query(url, `select from dag where dag_id = any($1) and ${isParsed}`, [dagIds]);
        return found.length === dagIds.length ? true : undefined;
      };
      await waitFor(probe, { timeoutMs, describe: () => `not all parsed: ${dagIds.join(", ")}` });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No port is free.");
  return address.port;
}
