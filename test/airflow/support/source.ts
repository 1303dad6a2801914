import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freshDatabase, query, type TestDatabase } from "./databases.ts";
import { type AirflowInstall, ensureAirflow } from "./install.ts";
import { dagFolder, deletedDagFile, pythonFolder } from "./paths.ts";
import { type Environment, run, type Service, startService, waitFor } from "./processes.ts";

/** A genuine Airflow environment that has run, and is stopped. */
export interface AirflowSource extends AsyncDisposable {
  readonly install: AirflowInstall;
  readonly databaseUrl: string;
  readonly fernetKey: string;
  /** The folder with its DAG files, task logs and service logs. */
  readonly home: string;
  readonly env: Environment;
}

export interface RunSourceOptions {
  /** Any database of the server; its user may create databases. */
  readonly serverUrl: string;
  readonly databaseName: string;
  readonly fernetKey: string;
  /** Default 2.10.5, the release the DAG files and the seed are written for. */
  readonly release?: string;
  /** Default two minutes: how long the scheduler may take for all runs. */
  readonly timeoutMs?: number;
}

/**
 * Lets a genuine scheduler work through the DAG files, stops it, and adds what a short run cannot leave behind.
 *
 * At the end every run is finished except those of `cw_unfinished` (one running with a deferred task, one queued) and
 * the open ones of the seed.
 */
export async function runSource(options: RunSourceOptions): Promise<AirflowSource> {
  const install = await ensureAirflow(options.release ?? "2.10.5");
  const database = await freshDatabase({ ...options, install, name: options.databaseName });
  const home = await mkdtemp(join(tmpdir(), "crosswind-source-"));
  await mkdir(join(home, "dags"));
  await cp(dagFolder, join(home, "dags"), { recursive: true, filter: (path) => !path.includes("__pycache__") });
  const env = install.env({
    databaseUrl: database.url,
    home,
    fernetKey: options.fernetKey,
    extra: quickScheduler(join(home, "dags")),
  });
  const source = { install, databaseUrl: database.url, fernetKey: options.fernetKey, home, env };
  try {
    await run(install.python, [join(pythonFolder, "source_start.py")], { env, cwd: home });
    await runScheduler(source, options.timeoutMs ?? 300_000);
    await rm(join(home, "dags", deletedDagFile));
    await run(install.python, [join(pythonFolder, "source_seed.py")], { env, cwd: home });
  } catch (error) {
    await discard(database, home);
    throw error;
  }
  return { ...source, [Symbol.asyncDispose]: () => discard(database, home) };
}

async function discard(database: TestDatabase, home: string): Promise<void> {
  await rm(home, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
}

function quickScheduler(dags: string): Environment {
  return {
    AIRFLOW__CORE__DAGS_FOLDER: dags,
    AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
    AIRFLOW__CORE__PARALLELISM: "4",
    AIRFLOW__SCHEDULER__PARSING_PROCESSES: "1",
    AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME: "0.2",
    AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL: "60",
    AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC: "2",
    AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK: "False",
    AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG: "8",
  };
}

async function runScheduler(source: Omit<AirflowSource, typeof Symbol.asyncDispose>, timeoutMs: number): Promise<void> {
  await using scheduler = await startService({
    name: "source scheduler",
    command: source.install.airflow,
    args: ["scheduler"],
    env: source.env,
    cwd: source.home,
    logFile: join(source.home, "scheduler.log"),
  });
  await waitFor(() => nothingLeftToDo(source.databaseUrl, scheduler), {
    timeoutMs,
    describe: async () =>
      `the source's runs are not done: ${JSON.stringify(await openTasks(source.databaseUrl))}\n${await scheduler.tail()}`,
  });
}

async function nothingLeftToDo(databaseUrl: string, scheduler: Service): Promise<true | undefined> {
  if (!scheduler.alive()) {
    throw new Error(`The source's scheduler ended:\n${await scheduler.tail()}`);
  }
  const [row] = await query<{ done: boolean }>(
    databaseUrl,
    `select not exists (select from dag_run where state in ('queued', 'running') and dag_id <> 'cw_unfinished')
        and (select count(*) from dag_run where dag_id = 'cw_scheduled') = 3
        and exists (select from dag_run where run_type = 'dataset_triggered')
        and exists (select from task_instance where dag_id = 'cw_unfinished' and state = 'deferred') as done`,
  );
  return row?.done ? true : undefined;
}

async function openTasks(databaseUrl: string): Promise<readonly unknown[]> {
  return query(
    databaseUrl,
    `select r.dag_id, r.run_id, r.state as run, t.task_id, t.state
       from dag_run r left join task_instance t using (dag_id, run_id) where r.state in ('queued', 'running')`,
  );
}
