import type { Finding } from "../../domain/finding.ts";
import type { Session } from "../../ports/database.ts";

/** Where staging keeps what it knows of itself; the landed tables are in `public`, as Airflow's own are. */
export const RECORD_SCHEMA = "crosswind_landing";

/** What was landed, as of the last time. */
export interface LandingRecord {
  readonly identity: string;
  readonly unchangedSince: string | null;
  readonly findings: readonly Finding[];
}

/** One landed table. */
export interface TableRecord {
  /** Columns and types. */
  readonly shape: string;
  readonly digest: string;
  readonly rows: number;
}

/**
 * Unlogged, as the landed tables are: a staging server that crashed has emptied these and the record alike, and everything is landed again.
 * `version` is raised when landed tables of an earlier Crosswind are of no use any more.
 */
const MAKE = `
  create schema if not exists ${RECORD_SCHEMA};
  create unlogged table if not exists ${RECORD_SCHEMA}.landing (
    version integer primary key, source text not null, identity text not null, unchanged_since text, findings jsonb not null,
    landed_at timestamptz not null default now());
  create unlogged table if not exists ${RECORD_SCHEMA}.landed_table (
    name text primary key, shape text not null, digest text not null, rows bigint not null, landed_at timestamptz not null default now())`;

const VERSION = 1;

export async function makeRecord(session: Session): Promise<void> {
  await session.query(MAKE);
}

/** The record of the last landing, or undefined where there is none that is of use. */
export async function readLanding(session: Session): Promise<LandingRecord | undefined> {
  const [row] = await session.query<{ identity: string; unchanged_since: string | null; findings: readonly Finding[] }>(
    `select identity, unchanged_since, findings from ${RECORD_SCHEMA}.landing where version = $1`,
    [VERSION],
  );
  return row && { identity: row.identity, unchangedSince: row.unchanged_since, findings: row.findings };
}

export async function writeLanding(
  session: Session,
  record: LandingRecord & { readonly source: string },
): Promise<void> {
  await session.query(`delete from ${RECORD_SCHEMA}.landing`);
  await session.query(
    `insert into ${RECORD_SCHEMA}.landing (version, source, identity, unchanged_since, findings) values ($1, $2, $3, $4, $5)`,
    [VERSION, record.source, record.identity, record.unchangedSince, JSON.stringify(record.findings)],
  );
}

export async function readTables(session: Session): Promise<ReadonlyMap<string, TableRecord>> {
  const rows = await session.query<{ name: string; shape: string; digest: string; rows: string }>(
    `select name, shape, digest, rows::text as rows from ${RECORD_SCHEMA}.landed_table`,
  );
  return new Map(rows.map((row) => [row.name, { shape: row.shape, digest: row.digest, rows: Number(row.rows) }]));
}

export async function writeTable(session: Session, name: string, record: TableRecord): Promise<void> {
  await session.query(
    `insert into ${RECORD_SCHEMA}.landed_table (name, shape, digest, rows) values ($1, $2, $3, $4)
     on conflict (name) do update set shape = $2, digest = $3, rows = $4, landed_at = now()`,
    [name, record.shape, record.digest, record.rows],
  );
}
