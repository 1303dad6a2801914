import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AirflowApi, connectApi } from "./api.ts";
import { query } from "./databases.ts";
import { type AirflowInstall, ensureAirflow } from "./install.ts";
import { dagFolder, deletedDagFile } from "./paths.ts";
import { type Environment, type Service, startService, waitFor } from "./processes.ts";

export interface TargetOptions {
  readonly databaseUrl: string;
  readonly fernetKey: string;
  /** Default 3.3.2. */
  readonly release?: string;
  /** Which of its services to start besides the api-server. Default true: DAG processor and scheduler too. */
  readonly schedules?: boolean;
}

/** One attempt of a task as the API tells it. */
export interface TaskAttempt {
  readonly state: string | null;
  readonly tryNumber: number;
}

export interface TaskAddress {
  readonly dagId: string;
  readonly runId: string;
  readonly taskId: string;
  /** Default -1: a task that is not mapped. */
  readonly mapIndex?: number;
}

/** A running genuine Airflow 3. */
export interface AirflowTarget extends AsyncDisposable {
  readonly install: AirflowInstall;
  readonly databaseUrl: string;
  readonly env: Environment;
  /** Its DAG files (those of the source but the deleted one), task logs and service logs. */
  readonly home: string;
  readonly api: AirflowApi;
  /** Waits until the DAG processor has parsed these DAGs, and fails on an import error. */
  readonly parsed: (dagIds: readonly string[]) => Promise<void>;
  /** Throws, with its output, when a service has ended; looks for that long. */
  readonly staysAlive: (ms: number) => Promise<void>;
  /** Clears a finished task, unpauses its DAG, and waits until it has run once more and ended. */
  readonly clearTask: (task: TaskAddress) => Promise<{ readonly before: TaskAttempt; readonly after: TaskAttempt }>;
}

/** Starts a genuine Airflow 3 on a database that is already migrated. */
export async function startTarget(options: TargetOptions): Promise<AirflowTarget> {
  const install = await ensureAirflow(options.release ?? "3.3.2");
  const home = await mkdtemp(join(tmpdir(), "crosswind-target-"));
  await mkdir(join(home, "dags"));
  await cp(dagFolder, join(home, "dags"), {
    recursive: true,
    filter: (path) => !path.includes("__pycache__") && basename(path) !== deletedDagFile,
  });
  const port = await freePort();
  const env = install.env({ ...options, home, extra: settings(home, port) });
  const services: Service[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()));
    await rm(home, { recursive: true, force: true });
  };
  try {
    for (const args of commands(port, options.schedules ?? true)) {
      const name = args[0] ?? "";
      const logFile = join(home, `${name}.log`);
      services.push(await startService({ name, command: install.airflow, args, env, cwd: home, logFile }));
    }
    const [server] = services;
    if (server === undefined) {
      throw new Error("No service was started.");
    }
    const api = await connectApi(`http://127.0.0.1:${port}`, server);
    return {
      install,
      databaseUrl: options.databaseUrl,
      env,
      home,
      api,
      parsed: (dagIds) => parsed(options.databaseUrl, dagIds, services),
      staysAlive: (ms) => staysAlive(services, ms),
      clearTask: (task) => clearTask(api, task, services),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function commands(port: number, schedules: boolean): readonly (readonly string[])[] {
  const server = ["api-server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"];
  return schedules ? [server, ["dag-processor"], ["scheduler"]] : [server];
}

function settings(home: string, port: number): Environment {
  return {
    AIRFLOW__CORE__DAGS_FOLDER: join(home, "dags"),
    AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
    AIRFLOW__CORE__PARALLELISM: "2",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS: "True",
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `http://127.0.0.1:${port}/execution/`,
    AIRFLOW__API__BASE_URL: `http://127.0.0.1:${port}`,
    AIRFLOW__API__SECRET_KEY: "for tests only, no secret at all, 64 bytes long or more, as wanted",
    AIRFLOW__API_AUTH__JWT_SECRET: "for tests only, no secret at all, 64 bytes long or more, as wanted",
    AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME: "0.2",
    AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK: "False",
    AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL: "5",
    AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: "1",
    // Without these two, Airflow 3 labels the next run of a cron one interval later than 2.x did.
    AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS: "True",
    AIRFLOW__SCHEDULER__CREATE_DELTA_DATA_INTERVALS: "True",
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") {
    throw new Error("No port is free.");
  }
  return address.port;
}

async function assertAlive(services: readonly Service[]): Promise<void> {
  for (const service of services) {
    if (!service.alive()) {
      throw new Error(`The target's ${service.name} ended:\n${await service.tail()}`);
    }
  }
}

async function staysAlive(services: readonly Service[], ms: number): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    await assertAlive(services);
    await sleep(Math.min(500, Math.max(1, end - Date.now())));
  }
  await assertAlive(services);
}

async function parsed(databaseUrl: string, dagIds: readonly string[], services: readonly Service[]): Promise<void> {
  const found = (): Promise<readonly { dag_id: string }[]> =>
    query(
      databaseUrl,
      `select d.dag_id from dag d
        where d.dag_id = any($1) and not d.is_stale and exists (select from dag_version v where v.dag_id = d.dag_id)`,
      [dagIds],
    );
  await waitFor(
    async () => {
      await assertAlive(services);
      const errors = await query<{ stacktrace: string }>(databaseUrl, "select stacktrace from import_error");
      if (errors[0] !== undefined) {
        throw new Error(`A DAG file does not import on the target:\n${errors[0].stacktrace}`);
      }
      return (await found()).length === dagIds.length ? true : undefined;
    },
    {
      timeoutMs: 90_000,
      describe: async () => {
        const have = (await found()).map((dag) => dag.dag_id);
        return `parsed so far: ${have.join(", ")}; wanted: ${dagIds.join(", ")}`;
      },
    },
  );
}

async function clearTask(
  api: AirflowApi,
  task: TaskAddress,
  services: readonly Service[],
): Promise<{ readonly before: TaskAttempt; readonly after: TaskAttempt }> {
  const before = await readTask(api, task);
  const dag = `/api/v2/dags/${encodeURIComponent(task.dagId)}`;
  await api.call("PATCH", dag, { is_paused: false });
  await api.call("POST", `${dag}/clearTaskInstances`, {
    dry_run: false,
    dag_run_id: task.runId,
    task_ids: task.mapIndex === undefined ? [task.taskId] : [[task.taskId, task.mapIndex]],
    only_failed: false,
    reset_dag_runs: true,
  });
  const after = await waitFor(
    async () => {
      await assertAlive(services);
      const now = await readTask(api, task);
      const isOver = ["success", "failed", "upstream_failed", "skipped", "removed"].includes(now.state ?? "");
      return now.tryNumber > before.tryNumber && isOver ? now : undefined;
    },
    { timeoutMs: 90_000, describe: async () => `after the clearing: ${JSON.stringify(await readTask(api, task))}` },
  );
  return { before, after };
}

async function readTask(api: AirflowApi, task: TaskAddress): Promise<TaskAttempt> {
  const [dag, run, id] = [task.dagId, task.runId, task.taskId].map(encodeURIComponent);
  const mapped = task.mapIndex === undefined ? "" : `/${task.mapIndex}`;
  const answer = await api.call("GET", `/api/v2/dags/${dag}/dagRuns/${run}/taskInstances/${id}${mapped}`);
  const { state, try_number } = answer as { state: string | null; try_number: number };
  return { state, tryNumber: try_number };
}
