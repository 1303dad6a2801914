import { ZodError } from "zod";
import { sqlState } from "../../databases/postgres/errors.ts";
import { END_DATES_VARIABLE } from "../../domain/end-dates.ts";
import { isProblem } from "../../domain/problem.ts";
import { isInRange, type Range, type Release } from "../../domain/release.ts";
import type * as port from "../../ports/control.ts";
import type { Database, Row, Session } from "../../ports/database.ts";
import * as problems from "../problems.ts";
import * as reads from "./reads.ts";
import { type DagRow, dagOf, type RunRow, runOf, type TaskRow, taskOf } from "./rows.ts";
import { type SerializedRow, settingsOf } from "./serialized-dag.ts";
import { type Writes, writesFor } from "./writes.ts";

export interface DatabaseControlOptions {
  /** `source` or `target`, for messages. */
  readonly side: string;
  /** A Postgres whose sessions may write. Closed with the control. */
  readonly database: Database;
  /** The release that stands for its schema. */
  readonly release: Release;
  /** How long one statement may take, in milliseconds; kept by the server, also when this process is gone. Default 7,000. What it writes may be written up to {@link COMMIT_MS} later. */
  readonly deadlineMs?: number;
}

/** Opens control through the metadata database: for releases without an API (1.10), and environments that close theirs. */
export function openDatabaseControl(options: DatabaseControlOptions): port.Control {
  return new DatabaseControl(options);
}

/** What is known of releases before each switch existed. */
const SWITCHES: readonly { readonly in: Range; readonly switches: port.IntervalSwitches }[] = [
  { in: "<2.9", switches: { cron: true, delta: true } },
  { in: "<2.11", switches: { cron: "unknown", delta: true } },
];

/**
 * How long the server waits for the word after a statement, in milliseconds. A commit that a network delivers later than that finds its transaction
 * gone: by then somebody else may have read that nothing was written, and acted on it.
 */
const COMMIT_MS = 3000;

const UNIQUE_VIOLATION = "23505";

/** What a statement is for, in messages: `pause etl`. */
interface Statement {
  readonly call: string;
  readonly sql: string;
  readonly values?: readonly unknown[];
}

class DatabaseControl implements port.Control {
  readonly label: string;
  readonly release: Release;
  readonly can: port.ControlAbilities;
  readonly deadlineMs: number;
  readonly #statementMs: number;
  readonly #database: Database;
  readonly #writes: Writes;

  constructor({ side, database, release, deadlineMs = 7000 }: DatabaseControlOptions) {
    this.label = `${side} (Airflow ${release}, database ${database.address})`;
    this.release = release;
    this.#statementMs = Math.floor(deadlineMs);
    this.deadlineMs = this.#statementMs + COMMIT_MS;
    this.#database = database;
    this.#writes = writesFor(release);
    this.can = abilitiesOf(release, this.#writes);
  }

  explain(step: port.ControlStep, dagId: string): string {
    const paused = (isPaused: boolean) => shown(this.#writes.pause ?? "", [dagId, isPaused]);
    const endDates = [END_DATES_VARIABLE, `{"${dagId}": ITS NEWEST RUN, ...}`];
    const statements: Readonly<Record<port.ControlStep, () => string>> = {
      pause: () => paused(true),
      unpause: () => paused(false),
      "request-parse": () => shown(this.#writes.requestParse ?? "", [dagId]),
      "end-date": () => shown(this.#writes.setVariable, endDates),
    };
    return statements[step]();
  }

  async readDags(signal: AbortSignal, dagIds?: readonly string[]): Promise<readonly port.DagState[]> {
    const sql = reads.dagsSql(this.release);
    const rows = await this.#read<DagRow>({ call: "reading DAGs", sql, values: [dagIds ?? null] }, signal);
    return rows.map(dagOf);
  }

  async readDagSettings(dagId: string, signal: AbortSignal): Promise<port.DagSettings> {
    const call = `reading the serialized DAG ${dagId}`;
    const statement = { call, sql: reads.serializedSql(this.release), values: [dagId] };
    const [row] = await this.#read<SerializedRow>(statement, signal);
    if (row === undefined) return await this.#unknownSettings(dagId, signal);
    try {
      // The form leaves out what `[scheduler] catchup_by_default` says; its own default changed with 3.0.
      return settingsOf(dagId, row, isInRange(this.release, "<3.0"));
    } catch (error) {
      const reason = error instanceof ZodError ? (error.issues[0]?.message ?? "another shape") : "it is no valid JSON";
      throw problems.controlAnswerUnexpected({ where: this.label, call, reason });
    }
  }

  async setPaused(dagId: string, isPaused: boolean, signal: AbortSignal): Promise<boolean> {
    const call = `${isPaused ? "pausing" : "unpausing"} ${dagId}`;
    const sql = this.#writes.pause ?? "";
    await this.#write({ call, sql, values: [dagId, isPaused] }, signal);
    const [row] = await this.#read<{ is_paused: boolean }>(
      { call, sql: "select coalesce(is_paused, false) as is_paused from dag where dag_id = $1", values: [dagId] },
      signal,
    );
    if (row === undefined) throw problems.controlNotFound({ where: this.label, call });
    return row.is_paused;
  }

  async requestParse(dagId: string, signal: AbortSignal): Promise<void> {
    const sql = this.#able("requestParse", this.#writes.requestParse);
    const call = `requesting a parse of ${dagId}`;
    await this.#assertDag(dagId, call, signal);
    await this.#write({ call, sql, values: [dagId] }, signal);
  }

  async readRuns(wanted: port.RunsWanted, signal: AbortSignal): Promise<readonly port.RunReading[]> {
    const { dagId, states, since, order = "newest-first", limit } = wanted;
    const sql = reads.runsSql(this.release, order === "newest-first" ? "desc" : "asc");
    const values = [dagId, states ?? null, since ?? null, limit ?? null];
    return (await this.#read<RunRow>({ call: `reading runs of ${dagId}`, sql, values }, signal)).map(runOf);
  }

  async readTasks(
    { dagId, runId, states }: port.TasksWanted,
    signal: AbortSignal,
  ): Promise<readonly port.TaskReading[]> {
    const call = `reading tasks of ${dagId} ${runId}`;
    const values = [dagId, runId, states ?? null];
    return (await this.#read<TaskRow>({ call, sql: reads.tasksSql(this.release), values }, signal)).map(taskOf);
  }

  async readImportErrors(signal: AbortSignal): Promise<readonly port.ImportErrorReading[]> {
    const rows = await this.#read<Row & { file: string; at: string | null; text: string }>(
      { call: "reading import errors", sql: reads.importErrorsSql },
      signal,
    );
    return rows.map(({ file, at, text }) => ({ file, at, text }));
  }

  async readHealth(signal: AbortSignal): Promise<port.HealthReading> {
    const [row] = await this.#read<Row & { heartbeat: string | null; now: string }>(
      { call: "reading the scheduler's heartbeat", sql: reads.healthSql },
      signal,
    );
    return { schedulerHeartbeatAt: row?.heartbeat ?? null, clock: { at: row?.now ?? "", resolutionMs: 1 } };
  }

  async readIntervalSwitches(): Promise<port.IntervalSwitches> {
    // Settings are not in the database.
    return SWITCHES.find((row) => isInRange(this.release, row.in))?.switches ?? { cron: "unknown", delta: "unknown" };
  }

  async readActiveBackfills(dagId: string, signal: AbortSignal): Promise<readonly port.ActiveBackfill[]> {
    const call = `reading backfills of ${dagId}`;
    const rows = await this.#read<Row & { id: string; from_date: string | null; to_date: string | null }>(
      { call, sql: reads.backfillsSql(this.release), values: [dagId] },
      signal,
    );
    return rows.map(({ id, from_date: from, to_date: to }) => ({ id, from, to }));
  }

  async readPendingEvents(dagId: string, signal: AbortSignal): Promise<readonly port.PendingEvent[]> {
    const sql = this.#able("readPendingEvents", reads.pendingEventsSql(this.release));
    const call = `reading pending events of ${dagId}`;
    const rows = await this.#read<Row & { uri: string; created_at: string }>({ call, sql, values: [dagId] }, signal);
    return rows.map(({ uri, created_at: createdAt }) => ({ uri, createdAt }));
  }

  async addRun(run: port.MissedRun, signal: AbortSignal): Promise<void> {
    const sql = this.#able("addRun", this.#writes.addRun);
    const call = `adding the run of ${run.logicalDate} to ${run.dagId}`;
    const values = [run.dagId, run.logicalDate, run.intervalStart, run.intervalEnd];
    const added = await this.#write({ call, sql, values }, signal);
    // A DAG that is not there, or (3.x) was never parsed and so has no version that the run could be of.
    if (added.length === 0) throw problems.controlNotFound({ where: this.label, call });
  }

  async closeRun(dagId: string, runId: string, signal: AbortSignal): Promise<string> {
    const call = `ending the run ${runId} of ${dagId}`;
    await this.#write({ call, sql: this.#writes.closeRun, values: [dagId, runId] }, signal);
    const sql = "select coalesce(state, '') as state from dag_run where dag_id = $1 and run_id = $2";
    const [row] = await this.#read<Row & { state: string }>({ call, sql, values: [dagId, runId] }, signal);
    if (row === undefined) throw problems.controlNotFound({ where: this.label, call });
    return row.state;
  }

  async writeNextRun(dagId: string, nextRun: port.NextRun, signal: AbortSignal): Promise<void> {
    const sql = this.#able("writeNextRun", this.#writes.nextRun);
    const call = `writing the next run of ${dagId}`;
    await this.#assertDag(dagId, call, signal);
    const { logicalDate, intervalStart, intervalEnd, createAfter } = nextRun;
    await this.#write({ call, sql, values: [dagId, logicalDate, intervalStart, intervalEnd, createAfter] }, signal);
  }

  async writeEndDates(endDates: Readonly<Record<string, port.Instant>>, signal: AbortSignal): Promise<void> {
    const call = `writing the variable ${END_DATES_VARIABLE}`;
    const isEmpty = Object.keys(endDates).length === 0;
    const { setVariable, deleteVariable } = this.#writes;
    const statement = isEmpty
      ? { sql: deleteVariable, values: [END_DATES_VARIABLE] }
      : { sql: setVariable, values: [END_DATES_VARIABLE, JSON.stringify(endDates)] };
    await this.#write({ call, ...statement }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }

  #able(ability: keyof port.ControlAbilities, sql: string | undefined): string {
    if (sql === undefined) throw problems.controlLacksAbility({ where: this.label, ability });
    return sql;
  }

  async #assertDag(dagId: string, call: string, signal: AbortSignal): Promise<void> {
    const sql = "select 1 from dag where dag_id = $1";
    const rows = await this.#read({ call, sql, values: [dagId] }, signal);
    if (rows.length === 0) throw problems.controlNotFound({ where: this.label, call });
  }

  /** 1.10 serializes DAGs only where it was told to. */
  async #unknownSettings(dagId: string, signal: AbortSignal): Promise<port.DagSettings> {
    await this.#assertDag(dagId, `reading the serialized DAG ${dagId}`, signal);
    const unknown = { timezone: null, catchup: null, startDate: null, endDate: null, isPausedUponCreation: null };
    return { dagId, ...unknown };
  }

  async #read<R extends Row>(statement: Statement, signal: AbortSignal): Promise<readonly R[]> {
    return await this.#run(statement, signal, { mode: "read only" });
  }

  async #write(statement: Statement, signal: AbortSignal): Promise<readonly Row[]> {
    return await this.#run(statement, signal, { mode: "read write" });
  }

  /** One statement in a transaction of its own. An aborted signal takes back what it wrote. */
  async #run<R extends Row>(
    { call, sql, values = [] }: Statement,
    signal: AbortSignal,
    { mode }: { readonly mode: "read only" | "read write" },
  ): Promise<readonly R[]> {
    signal.throwIfAborted();
    await using session: Session = await this.#database.session();
    try {
      return await session.transaction(async () => {
        await session.query(
          `select set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)`,
          [String(this.#statementMs), String(COMMIT_MS)],
        );
        const rows = await session.query<R>(sql, values);
        signal.throwIfAborted();
        return rows;
      }, mode);
    } catch (error) {
      throw this.#toProblem(error, call);
    }
  }

  #toProblem(error: unknown, call: string): unknown {
    const facts = { where: this.label, call };
    if (isProblem(error) && error.code === "DATABASE_STATEMENT_CANCELLED") {
      return problems.controlDeadline({ ...facts, deadlineMs: this.#statementMs });
    }
    if (sqlState(error) === UNIQUE_VIOLATION) {
      return problems.controlRefused({ ...facts, status: 409, reason: "it is there already" });
    }
    return error;
  }
}

/** A statement with its values in their places, on one line, for people. */
function shown(sql: string, values: readonly (string | boolean)[]): string {
  const texts = values.map((value) =>
    typeof value === "boolean" ? String(value) : `'${value.replaceAll("'", "''")}'`,
  );
  return sql.replaceAll(/\s+/g, " ").replaceAll(/\$(\d)/g, (_, at: string) => texts[Number(at) - 1] ?? "");
}

function abilitiesOf(release: Release, writes: Writes): port.ControlAbilities {
  return {
    requestParse: writes.requestParse !== undefined,
    readNextRun: isInRange(release, ">=2.0"),
    readTimezone: true,
    readAllSettings: true,
    readIntervalSwitches: isInRange(release, "<2.9"),
    readPendingEvents: reads.pendingEventsSql(release) !== undefined,
    addRun: writes.addRun === undefined ? false : "scheduled",
    closeRun: true,
    writeNextRun: writes.nextRun !== undefined,
  };
}
