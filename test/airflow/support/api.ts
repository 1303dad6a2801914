import { query } from "./databases.ts";
import { type Service, waitFor } from "./processes.ts";

/** An answer that is not what a healthy Airflow gives. */
export interface ApiFailure {
  readonly path: string;
  readonly status: number;
  /** The beginning of the body, or why it counts as a failure. */
  readonly detail: string;
}

export interface ApiCheck {
  /** Number of calls made. */
  readonly calls: number;
  readonly failures: readonly ApiFailure[];
}

/** The REST API of a genuine Airflow 3, with the rights of an admin. */
export interface AirflowApi {
  readonly url: string;
  /** JSON of a 2xx answer; anything else throws an error with path, status and body. */
  readonly call: (method: "GET" | "POST" | "PATCH" | "PUT", path: string, body?: unknown) => Promise<unknown>;
  /** The answer as it is; undefined when it is 200 and JSON, else the failure. */
  readonly probe: (path: string) => Promise<ApiFailure | undefined>;
}

/** A token of a simple auth manager that makes everybody an admin. */
export async function adminToken(url: string): Promise<string> {
  return ((await (await fetch(`${url}/auth/token`)).json()) as { access_token: string }).access_token;
}

/** Waits for a starting api-server and gets a token from its simple auth manager, which makes everybody an admin. */
export async function connectApi(url: string, server: Service): Promise<AirflowApi> {
  await waitFor(
    async () => {
      if (!server.alive()) {
        throw new Error(`The api-server ended:\n${await server.tail()}`);
      }
      const response = await fetch(`${url}/api/v2/version`).catch(() => undefined);
      return response?.ok === true ? true : undefined;
    },
    { timeoutMs: 90_000, everyMs: 300, describe: () => server.tail() },
  );
  return apiWith(url, { authorization: `Bearer ${await adminToken(url)}` });
}

function apiWith(url: string, headers: Readonly<Record<string, string>>): AirflowApi {
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { ...headers, "content-type": "application/json" },
      signal: AbortSignal.timeout(60_000),
    });
  return {
    url,
    call: async (method, path, body) => {
      const response = await request(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      const text = await response.text();
      if (!response.ok) {
        throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 1000)}`);
      }
      return text === "" ? undefined : JSON.parse(text);
    },
    probe: async (path) => {
      // Once more after a lost connection: a kept-alive one may be closed by the server at any moment.
      const response = await request(path)
        .catch(() => request(path))
        .catch((error: unknown) => String(error));
      if (typeof response === "string") {
        return { path, status: 0, detail: response };
      }
      const text = await response.text();
      if (response.status !== 200) {
        return { path, status: response.status, detail: text.slice(0, 300) };
      }
      // An unknown path of the user interface answers 200 with its HTML page.
      const type = response.headers.get("content-type") ?? "";
      return /json/.test(type) ? undefined : { path, status: 200, detail: `content type ${type}` };
    },
  };
}

interface RunRow {
  readonly dag_id: string;
  readonly run_id: string;
}

interface TaskRow extends RunRow {
  readonly task_id: string;
  readonly map_index: number;
  readonly state: string | null;
}

interface XComRow extends RunRow {
  readonly task_id: string;
  readonly map_index: number;
  readonly key: string;
}

export interface ApiCheckOptions {
  readonly api: AirflowApi;
  readonly databaseUrl: string;
  /** Calls at once. Default 6. */
  readonly concurrency?: number;
}

/**
 * Reads every DAG run, task instance, try and XCom of the database through the API, the lists over all DAGs, and the
 * lists and the grid of every DAG that the target has parsed (there are none of a DAG without a serialized form).
 */
export async function checkApi(options: ApiCheckOptions): Promise<ApiCheck> {
  const paths = await everyPath(options.databaseUrl);
  const failures: ApiFailure[] = [];
  const left = paths.values();
  const worker = async (): Promise<void> => {
    for (const path of left) {
      const failure = await options.api.probe(path);
      if (failure !== undefined) {
        failures.push(failure);
      }
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? 6 }, worker));
  return { calls: paths.length, failures };
}

async function everyPath(databaseUrl: string): Promise<readonly string[]> {
  const runs = await query<RunRow>(databaseUrl, "select dag_id, run_id from dag_run order by id");
  const tasks = await query<TaskRow>(
    databaseUrl,
    "select dag_id, run_id, task_id, map_index, state from task_instance",
  );
  const xcoms = await query<XComRow>(databaseUrl, "select dag_id, run_id, task_id, map_index, key from xcom");
  const dags = await query<{ dag_id: string }>(databaseUrl, "select distinct dag_id from serialized_dag");
  const parsed = new Set(dags.map((dag) => dag.dag_id));
  return [
    ...pages("/api/v2/dags/~/dagRuns", runs.length),
    ...pages("/api/v2/dags/~/dagRuns/~/taskInstances", tasks.length),
    ...dags.map((dag) => `/ui/grid/runs/${enc(dag.dag_id)}?limit=100`),
    ...runs.map(runPath),
    ...runs.filter((run) => parsed.has(run.dag_id)).flatMap(listPaths),
    ...tasks.flatMap(taskPaths),
    ...xcoms.map((xcom) => `${taskPath(xcom)}/xcomEntries/${enc(xcom.key)}?map_index=${xcom.map_index}`),
  ];
}

const enc = encodeURIComponent;
const pageSize = 100;

function pages(path: string, rows: number): readonly string[] {
  const count = Math.max(1, Math.ceil(rows / pageSize));
  return Array.from({ length: count }, (_, page) => `${path}?limit=${pageSize}&offset=${page * pageSize}`);
}

function runPath(run: RunRow): string {
  return `/api/v2/dags/${enc(run.dag_id)}/dagRuns/${enc(run.run_id)}`;
}

function listPaths(run: RunRow): readonly string[] {
  return [
    `${runPath(run)}/taskInstances?limit=${pageSize}`,
    `/ui/grid/ti_summaries/${enc(run.dag_id)}?run_ids=${enc(run.run_id)}`,
  ];
}

function taskPath(task: RunRow & { readonly task_id: string }): string {
  return `${runPath(task)}/taskInstances/${enc(task.task_id)}`;
}

function taskPaths(task: TaskRow): readonly string[] {
  const own = `${taskPath(task)}${task.map_index >= 0 ? `/${task.map_index}` : ""}`;
  const always = [own, `${taskPath(task)}/xcomEntries?map_index=${task.map_index}`];
  // A task that waits for its retry is no try of its own: Airflow lists the earlier ones only, and 404 without any.
  return task.state === "up_for_retry" ? always : [...always, `${own}/tries`];
}
