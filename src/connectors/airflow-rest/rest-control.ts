import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { END_DATES_VARIABLE } from "../../domain/end-dates.ts";
import { isProblem } from "../../domain/problem.ts";
import type { Release } from "../../domain/release.ts";
import type * as port from "../../ports/control.ts";
import { controlAnswerUnexpected, controlLacksAbility, controlRefused } from "../problems.ts";
import { ApiReader } from "./api-reader.ts";
import type { RestApi } from "./apis.ts";
import type { ListedDag } from "./dag-shapes.ts";
import type { Http } from "./http.ts";
import { parseInstant } from "./instant.ts";
import { task } from "./run-shapes.ts";
import * as shapes from "./shapes.ts";

/** Up to so many DAGs are read one by one, more with the list of all. */
const SINGLE_READS = 20;

/** Reads at once. */
const LANES = 4;

/** An api-server may answer before it has committed (seen in 3.0.6): what it was told shows some moments later. */
const READ_BACKS = 20;
const READ_BACK_MS = 100;

/** The header `Date` has no parts of a second. */
const CLOCK_RESOLUTION_MS = 1000;

interface RestControlOptions {
  readonly http: Http;
  readonly api: RestApi;
  readonly release: Release;
  readonly label: string;
  readonly deadlineMs: number;
}

/** Control through the REST API: v1 of 2.x and v2 of 3.x, told apart by the row of `apis.ts`. */
export class RestControl implements port.Control {
  readonly label: string;
  readonly release: Release;
  readonly can: port.ControlAbilities;
  readonly deadlineMs: number;
  readonly #http: Http;
  readonly #api: RestApi;
  readonly #reader: ApiReader;

  constructor({ http, api, release, label, deadlineMs }: RestControlOptions) {
    this.#http = http;
    this.#api = api;
    this.#reader = new ApiReader(http, api.base);
    this.label = label;
    this.release = release;
    this.deadlineMs = deadlineMs;
    this.can = api.can;
  }

  explain(step: port.ControlStep, dagId: string): string {
    const at = (...parts: readonly string[]) =>
      `/${this.#reader
        .path(...parts)
        .map(encodeURIComponent)
        .join("/")}`;
    const paused = (isPaused: boolean) => `PATCH ${at("dags", dagId)}?update_mask=is_paused {"is_paused":${isPaused}}`;
    const requests: Readonly<Record<port.ControlStep, () => string>> = {
      pause: () => paused(true),
      unpause: () => paused(false),
      "request-parse": () => `PUT ${at("parseDagFile")}/FILE_TOKEN`,
      "end-date": () => `PATCH ${at("variables", END_DATES_VARIABLE)} {"${dagId}": ITS NEWEST RUN, ...}`,
    };
    return requests[step]();
  }

  async readDags(signal: AbortSignal, dagIds?: readonly string[]): Promise<readonly port.DagState[]> {
    const listed =
      dagIds !== undefined && dagIds.length <= SINGLE_READS
        ? await this.#readEach(dagIds, signal)
        : await this.#reader.pages(
            { path: ["dags"], query: this.#api.allDags, field: "dags", item: this.#api.dag },
            signal,
          );
    const wanted = dagIds === undefined ? undefined : new Set(dagIds);
    const dags = listed.filter(({ dagId }) => wanted?.has(dagId) !== false);
    const isUntold = dags.some((dag) => dag.hasImportErrors === undefined);
    const broken = new Set(isUntold ? (await this.readImportErrors(signal)).map(({ file }) => file) : []);
    return dags.map((dag) => stateOf(dag, broken)).toSorted((a, b) => (a.dagId < b.dagId ? -1 : 1));
  }

  async readDagSettings(dagId: string, signal: AbortSignal): Promise<port.DagSettings> {
    return await this.#reader.get(["dags", dagId, "details"], this.#api.details, signal);
  }

  async setPaused(dagId: string, isPaused: boolean, signal: AbortSignal): Promise<boolean> {
    const path = this.#reader.path("dags", dagId);
    const body = { is_paused: isPaused };
    const query = { update_mask: "is_paused" };
    // An unpause that is sent again later may meet another side that is unpaused by then.
    const call = { method: "patch", path, query, body, shape: shapes.paused, isRepeatable: isPaused } as const;
    await this.#http.call(call, signal);
    const read = async () => (await this.#reader.get(["dags", dagId], shapes.paused, signal)).is_paused;
    return await readBack(read, { wanted: isPaused, signal });
  }

  async requestParse(dagId: string, signal: AbortSignal): Promise<void> {
    this.#assert("requestParse");
    const { fileToken } = await this.#reader.get(["dags", dagId], this.#api.dag, signal);
    const path = this.#reader.path("parseDagFile", fileToken);
    // 409: somebody has asked for it already.
    await this.#http.call({ method: "put", path, isRepeatable: true, isDoneAt: 409 }, signal);
  }

  async readRuns(wanted: port.RunsWanted, signal: AbortSignal): Promise<readonly port.RunReading[]> {
    const { dagId, states, since, order = "newest-first", limit } = wanted;
    const { runOrder, runsSince, filtersRuns, run } = this.#api;
    const isPicked = since !== undefined || (states !== undefined && !filtersRuns);
    const query = {
      order_by: `${order === "newest-first" ? "-" : ""}${runOrder}`,
      ...(since === undefined ? {} : { [runsSince]: since }),
      ...(states === undefined || !filtersRuns ? {} : { state: states }),
    };
    const pages = { path: ["dags", dagId, "dagRuns"], query, field: "dag_runs", item: run };
    const runs = await this.#reader.pages({ ...pages, ...(limit === undefined || isPicked ? {} : { limit }) }, signal);
    return runs
      .filter((each) => states?.includes(each.state) !== false)
      .filter((each) => since === undefined || (each.logicalDate ?? each.runAfter ?? "") >= since)
      .slice(0, limit);
  }

  async readTasks(wanted: port.TasksWanted, signal: AbortSignal): Promise<readonly port.TaskReading[]> {
    const { dagId, runId, states } = wanted;
    const { taskStates } = this.#api;
    const known = states?.filter((each) => taskStates?.includes(each) !== false);
    if (known?.length === 0) return [];
    const query = known === undefined ? {} : { state: known };
    const path = ["dags", dagId, "dagRuns", runId, "taskInstances"];
    return await this.#reader.pages({ path, query, field: "task_instances", item: task }, signal);
  }

  async readImportErrors(signal: AbortSignal): Promise<readonly port.ImportErrorReading[]> {
    return await this.#reader.pages(
      { path: ["importErrors"], field: "import_errors", item: shapes.importError },
      signal,
    );
  }

  async readHealth(signal: AbortSignal): Promise<port.HealthReading> {
    const path = this.#reader.path(...this.#api.health.split("/"));
    const { value, date } = await this.#http.call({ method: "get", path, shape: shapes.health }, signal);
    const at = date === null ? undefined : parseInstant(asIso(date));
    if (at === undefined) {
      const call = `GET /${path.join("/")}`;
      throw controlAnswerUnexpected({ where: this.label, call, reason: "it has no header Date that can be read" });
    }
    return {
      schedulerHeartbeatAt: value.scheduler.latest_scheduler_heartbeat,
      clock: { at, resolutionMs: CLOCK_RESOLUTION_MS },
    };
  }

  async readIntervalSwitches(signal: AbortSignal): Promise<port.IntervalSwitches> {
    const { cron, delta } = this.#api.switches;
    return { cron: await this.#readSwitch(cron, signal), delta: await this.#readSwitch(delta, signal) };
  }

  async readActiveBackfills(dagId: string, signal: AbortSignal): Promise<readonly port.ActiveBackfill[]> {
    if (this.#api.backfills === "list") {
      const query = { dag_id: dagId };
      const pages = { path: ["backfills"], query, field: "backfills", item: shapes.backfill };
      const listed = await this.#reader.pages(pages, signal);
      return listed
        .filter((each) => each.completed_at === null)
        .map((each) => ({ id: String(each.id), from: each.from_date, to: each.to_date }));
    }
    const open = await this.readRuns({ dagId, states: ["queued", "running"] }, signal);
    return open
      .filter(({ runType }) => runType === "backfill")
      .map(({ runId, logicalDate }) => ({ id: runId, from: logicalDate, to: logicalDate }));
  }

  async readPendingEvents(): Promise<readonly port.PendingEvent[]> {
    throw this.#lacks("readPendingEvents");
  }

  async addRun(run: port.MissedRun, signal: AbortSignal): Promise<void> {
    const call = this.#api.addRun?.(run);
    if (call === undefined) throw this.#lacks("addRun");
    // A backfill that finds the run there is accepted, and does nothing.
    const later = await this.readRuns({ dagId: run.dagId, since: run.logicalDate }, signal);
    if (later.some(({ logicalDate }) => logicalDate === run.logicalDate)) {
      const reason = "it is there already";
      throw controlRefused({ where: this.label, call: `POST /${call.path.join("/")}`, status: 409, reason });
    }
    await this.#http.call({ method: "post", path: this.#reader.path(...call.path), body: call.body }, signal);
  }

  async closeRun(dagId: string, runId: string, signal: AbortSignal): Promise<string> {
    this.#assert("closeRun");
    const parts = ["dags", dagId, "dagRuns", runId];
    const { state } = await this.#reader.get(parts, shapes.state, signal);
    if (state !== "queued" && state !== "running") return state;
    const call = {
      method: "patch",
      path: this.#reader.path(...parts),
      body: { state: "failed" },
      isRepeatable: true,
    } as const;
    await this.#http.call(call, signal);
    const read = async () => (await this.#reader.get(parts, shapes.state, signal)).state;
    return await readBack(read, { wanted: "failed", signal });
  }

  async writeNextRun(): Promise<void> {
    throw this.#lacks("writeNextRun");
  }

  async writeEndDates(endDates: Readonly<Record<string, port.Instant>>, signal: AbortSignal): Promise<void> {
    const path = this.#reader.path("variables", END_DATES_VARIABLE);
    const old = { method: "delete", path, isRepeatable: true, isDoneAt: 404 } as const;
    if (Object.keys(endDates).length === 0) {
      await this.#http.call(old, signal);
      return;
    }
    const body = { key: END_DATES_VARIABLE, value: JSON.stringify(endDates) };
    try {
      await this.#http.call({ method: "patch", path, body, isRepeatable: true }, signal);
    } catch (error) {
      if (!isProblem(error) || error.code !== "CONTROL_NOT_FOUND") throw error;
      await this.#http.call({ method: "post", path: this.#reader.path("variables"), body }, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Connections are those of the process's own pool.
  }

  async #readSwitch(option: string | true, signal: AbortSignal): Promise<boolean | "unknown"> {
    if (option === true) return true;
    // Asked for one by one: a section that has only environment variables is not found (seen in 3.3.2).
    const path = ["config", "section", "scheduler", "option", option];
    try {
      return asSwitch((await this.#reader.get(path, shapes.config, signal)).sections[0]?.options[0]?.value);
    } catch (error) {
      // Most environments do not show their configuration ([webserver] or [api] expose_config).
      if (isProblem(error) && error.code === "CONTROL_FORBIDDEN") return "unknown";
      throw error;
    }
  }

  #assert(ability: keyof port.ControlAbilities): void {
    if (this.can[ability] === false) throw this.#lacks(ability);
  }

  #lacks(ability: keyof port.ControlAbilities): Error {
    return controlLacksAbility({ where: this.label, ability });
  }

  async #readEach(dagIds: readonly string[], signal: AbortSignal): Promise<readonly ListedDag[]> {
    const limit = pLimit(LANES);
    const read = async (dagId: string) => {
      try {
        return [await this.#reader.get(["dags", dagId], this.#api.dag, signal)];
      } catch (error) {
        if (isProblem(error) && error.code === "CONTROL_NOT_FOUND") return [];
        throw error;
      }
    };
    return (await Promise.all(dagIds.map((dagId) => limit(() => read(dagId))))).flat();
  }
}

/** Reads until what was written shows, or the time for that is over; gives what was read last. */
async function readBack<T>(
  read: () => Promise<T>,
  { wanted, signal }: { readonly wanted: T; readonly signal: AbortSignal },
): Promise<T> {
  let value = await read();
  for (let left = READ_BACKS; left > 0 && value !== wanted; left--) {
    await sleep(READ_BACK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    value = await read();
  }
  return value;
}

function stateOf(dag: ListedDag, broken: ReadonlySet<string>): port.DagState {
  const { fileToken: _token, ...state } = dag;
  return { ...state, hasImportErrors: dag.hasImportErrors ?? broken.has(dag.file) };
}

/** `Sat, 22 Nov 2025 10:00:00 GMT` as ISO 8601. */
function asIso(date: string): string {
  const time = Date.parse(date);
  return Number.isNaN(time) ? "" : new Date(time).toISOString();
}

/** Airflow gives values of its configuration as text. */
function asSwitch(value: unknown): boolean | "unknown" {
  const text = String(value).toLowerCase();
  if (text === "true" || text === "1") return true;
  return text === "false" || text === "0" ? false : "unknown";
}
