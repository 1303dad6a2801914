import { rowOf } from "../../airflow/define-entity.ts";
import { dagRun } from "../../airflow/entities/dag-run.ts";
import { formatMicros, parseMicros } from "../../airflow/timetables/micros.ts";
import type { Micros } from "../../airflow/timetables/timetable.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import { identifier } from "../translate/translate.ts";
import type { AutomatedRun, SideName } from "./automated-run.ts";

/** Which automated runs to read. */
export interface RunsOfDag {
  readonly side: SideName;
  readonly release: Release;
  readonly dagId: string;
  /** Runs with an earlier logical date are left out. */
  readonly since: Micros;
}

type Field = keyof typeof dagRun.fields;

/** What a release says of a run, in canonical meaning, from the entity file. */
function canonical(name: Field, release: Release): Sql {
  const field = dagRun.fields[name];
  const row = field === undefined ? undefined : rowOf(field, release);
  const column = row?.column === true ? name : row?.column;
  return row?.read ?? (column === undefined ? "null" : `s.${identifier(column)}`);
}

/** Text with all six digits: neither the driver's Date nor Postgres before 14 keeps them in a number. */
function moment(name: Field, release: Release): Sql {
  return `to_char((${canonical(name, release)})::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/**
 * The SELECT of a DAG's scheduled and backfill runs; `$1` is the DAG, `$2` the earliest logical date. A run of 3.x without a logical date is no
 * automated one.
 */
export function automatedRunsSql(release: Release): Sql {
  return `select ${canonical("run_id", release)} as run_id, ${canonical("state", release)}::text as state,
  ${moment("logical_date", release)} as logical_date, ${moment("start_date", release)} as started_at,
  ${moment("data_interval_start", release)} as interval_start, ${moment("data_interval_end", release)} as interval_end,
  (${canonical("clear_number", release)})::text as cleared
from dag_run s
where s.dag_id = $1 and (${canonical("logical_date", release)}) >= $2::timestamptz
  and (${canonical("run_type", release)}) in ('scheduled', 'backfill')
order by ${canonical("logical_date", release)}`;
}

interface RunRow extends Readonly<Record<string, unknown>> {
  readonly run_id: string;
  readonly state: string | null;
  readonly logical_date: string;
  readonly started_at: string | null;
  readonly interval_start: string | null;
  readonly interval_end: string | null;
  readonly cleared: string | null;
}

/** A DAG's newest scheduled or backfill run by logical date, from which a scheduler goes on; by the index, however many there are. */
export async function readNewestAutomated(
  session: Session,
  { side, release, dagId }: Omit<RunsOfDag, "since">,
): Promise<AutomatedRun | undefined> {
  const sql = `${automatedRunsSql(release)} desc limit 1`;
  const [row] = await session.query<RunRow>(sql, [dagId, formatMicros(0)]);
  return row === undefined ? undefined : asRun(row, side)[0];
}

/** A DAG's scheduled and backfill runs on one side, oldest first. */
export async function readAutomatedRuns(session: Session, wanted: RunsOfDag): Promise<readonly AutomatedRun[]> {
  const values = [wanted.dagId, formatMicros(wanted.since)];
  const rows = await session.query<RunRow>(automatedRunsSql(wanted.release), values);
  return rows.flatMap((row) => asRun(row, wanted.side));
}

function asRun(row: RunRow, side: SideName): readonly AutomatedRun[] {
  const logicalDate = parseMicros(row.logical_date);
  if (logicalDate === undefined) return [];
  const [start, end] = [optional(row.interval_start), optional(row.interval_end)];
  return [
    {
      side,
      runId: row.run_id,
      logicalDate,
      interval: start === null || end === null ? null : { start, end },
      state: row.state ?? "none",
      startedAt: optional(row.started_at),
      cleared: row.cleared === null ? null : Number(row.cleared),
    },
  ];
}

function optional(text: string | null): Micros | null {
  return text === null ? null : (parseMicros(text) ?? null);
}
