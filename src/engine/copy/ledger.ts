import type { RunKey } from "../../domain/plan.ts";
import type { Selection } from "../../domain/selection.ts";
import type { Database, Session } from "../../ports/database.ts";
import type { LeftOutRun, ResolvedSelection } from "../select/filters.ts";
import type { Mark } from "./snapshot.ts";

/**
 * The ledger: a schema of our own in the target's database that records every chunk we wrote, the ids we gave and what must be put back.
 * Removed by `complete`. A chunk's row is written in the chunk's own transaction: both are there, or neither is.
 */
const TABLES = `
  create schema if not exists crosswind;
  create table if not exists crosswind.run (
    id uuid primary key, source text not null, mark_xid bigint, mark text, filenodes jsonb, selection jsonb, planned jsonb,
    started_at timestamptz not null default now(), finished_at timestamptz);
  alter table crosswind.run add column if not exists kind text not null default 'copy';
  alter table crosswind.run add column if not exists timeline text;
  alter table crosswind.run add column if not exists deleted jsonb;
  alter table crosswind.run add column if not exists life int not null default 1;
  create table if not exists crosswind.dag_owner (
    source text not null, dag_id text not null, owner text not null, since timestamptz not null default now(), primary key (source, dag_id));
  create table if not exists crosswind.chunk (
    run uuid not null, entity text not null, chunk text not null, rows bigint not null default 0, bytes bigint not null default 0,
    at timestamptz not null default now(), primary key (run, entity, chunk));
  create table if not exists crosswind.id_rule (
    source text not null, entity text not null, id_offset bigint not null, low bigint not null, high bigint not null,
    primary key (source, entity));
  create table if not exists crosswind.copied_object (
    source text not null, entity text not null, key text not null, replaced boolean not null default false,
    primary key (source, entity, key));
  create table if not exists crosswind.replaced_run (
    source text not null, dag_id text not null, run_id text not null, source_id bigint not null, target_id bigint not null,
    primary key (source, target_id));
  create table if not exists crosswind.left_out_run (
    run uuid not null, dag_id text not null, run_id text not null, state text, primary key (run, dag_id, run_id));
  create table if not exists crosswind.taken_off (
    id serial primary key, run uuid not null, kind text not null, on_table text not null, name text not null,
    definition text not null, restored_at timestamptz);
  alter table crosswind.taken_off add column if not exists index_definition text;
  create table if not exists crosswind.changed_value (
    run uuid not null, entity text not null, chunk text not null, field text not null, kind text not null, reason text not null,
    count bigint not null, examples jsonb not null);`;

/** Serializes everything that changes the ledger's own shape or what is taken off. */
const LOCK = "select pg_advisory_xact_lock(hashtext('airflow-crosswind ledger'))";

export interface LedgerRun {
  readonly id: string;
  readonly markXid: string | null;
  /** The mark's snapshot, as the server names it. */
  readonly mark: string | null;
  /** By source table; another number than now means that the table was rewritten and its rows renumbered. */
  readonly filenodes: Readonly<Record<string, string>>;
  readonly selection: ResolvedSelection | null;
}

/** Makes the ledger's tables where they are missing. Throws ROLE_LACKS_RIGHTS where the role may not create the schema. */
export async function createLedger(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.query(LOCK);
    await session.query(TABLES);
  });
}

/** True when the target has a ledger. */
export async function hasLedger(session: Session): Promise<boolean> {
  const rows = await session.query<{ there: boolean }>("select to_regclass('crosswind.run') is not null as there");
  return rows[0]?.there === true;
}

/** True when the run has a row in the target's ledger. */
export async function isBegun(target: Database, run: string): Promise<boolean> {
  await using session = await target.session();
  return (await hasLedger(session)) && (await readRun(session, run)) !== undefined;
}

/**
 * Begins a life of a run that goes on; undefined where it has not begun. Waits for the chunks under way of earlier lives, and lets none of them
 * be committed afterwards: they were read from another read snapshot.
 */
export async function beginLife(session: Session, run: string): Promise<number | undefined> {
  const [row] = await session.query<{ life: number }>(
    "update crosswind.run set life = life + 1 where id = $1 returning life",
    [run],
  );
  return row?.life;
}

/** The run's row, or undefined where it has not begun. */
export async function readRun(session: Session, run: string): Promise<LedgerRun | undefined> {
  const rows = await session.query<{
    mark_xid: string | null;
    mark: string | null;
    filenodes: Readonly<Record<string, string>> | null;
    selection: ResolvedSelection | null;
  }>("select mark_xid, mark, filenodes, selection from crosswind.run where id = $1", [run]);
  const row = rows[0];
  return (
    row && {
      id: run,
      markXid: row.mark_xid,
      mark: row.mark,
      filenodes: row.filenodes ?? {},
      selection: row.selection,
    }
  );
}

interface BeginOptions {
  readonly run: string;
  readonly source: string;
  readonly mark: Mark;
  readonly filenodes: Readonly<Record<string, string>>;
  readonly planned: Selection;
  readonly selection: ResolvedSelection;
  /** Default: `copy`. */
  readonly kind?: "copy" | "sync";
  /** By source table: how many rows its statistics say were ever deleted. */
  readonly deleted?: Readonly<Record<string, string>>;
}

/** Records the run with its mark and its resolved selection; a run that goes on records its next ones. */
export async function beginRun(session: Session, options: BeginOptions): Promise<void> {
  const { run, source, mark, filenodes } = options;
  const { leftOut, ...rest } = options.selection;
  await session.query(
    `insert into crosswind.run (id, source, mark_xid, mark, filenodes, planned, selection, timeline, kind, deleted)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (id) do update set mark_xid = excluded.mark_xid, mark = excluded.mark, filenodes = excluded.filenodes,
       selection = excluded.selection, timeline = excluded.timeline, deleted = excluded.deleted`,
    [
      run,
      source,
      mark.xid,
      mark.snapshot,
      JSON.stringify(filenodes),
      JSON.stringify(options.planned),
      JSON.stringify(rest),
      mark.timeline ?? null,
      options.kind ?? "copy",
      options.deleted === undefined ? null : JSON.stringify(options.deleted),
    ],
  );
  await session.query("delete from crosswind.left_out_run where run = $1", [run]);
  await session.query(
    "insert into crosswind.left_out_run (run, dag_id, run_id, state) select $1, * from unnest($2::text[], $3::text[], $4::text[])",
    [run, leftOut.map((each) => each.dag_id), leftOut.map((each) => each.run_id), leftOut.map((each) => each.state)],
  );
}

/** The selection that the newest run of a source was planned with; undefined where nothing was copied from it. */
export async function readPlannedSelection(target: Database, source: string): Promise<Selection | undefined> {
  await using session = await target.session();
  if (!(await hasLedger(session))) return undefined;
  const [row] = await session.query<{ planned: Selection }>(
    "select planned from crosswind.run where source = $1 order by started_at desc limit 1",
    [source],
  );
  return row?.planned;
}

/** The runs that were left out when the run began. */
export async function readLeftOut(session: Session, run: string): Promise<readonly LeftOutRun[]> {
  return await session.query<LeftOutRun & Record<string, unknown>>(
    "select dag_id, run_id, state from crosswind.left_out_run where run = $1 order by 1, 2",
    [run],
  );
}

/** Runs of the source that stay as they are on the target, from now on, besides those that the plan settled. */
export async function addKeptRuns(session: Session, run: string, runs: readonly RunKey[]): Promise<void> {
  await session.query(
    `update crosswind.run set selection = jsonb_set(selection, '{kept}',
       coalesce(selection -> 'kept', '{"keptObjects": {}, "keptRuns": []}'::jsonb)
       || jsonb_build_object('keptRuns', coalesce(selection -> 'kept' -> 'keptRuns', '[]'::jsonb) || $2::jsonb)) where id = $1`,
    [run, JSON.stringify(runs.map(({ dag_id, run_id }) => ({ dag_id, run_id })))],
  );
}

/** Runs of a DAG that were left out and have come since. */
export async function forgetLeftOut(
  session: Session,
  { run, dag, except }: { readonly run: string; readonly dag: string; readonly except: readonly string[] },
): Promise<void> {
  await session.query(
    "delete from crosswind.left_out_run where run = $1 and dag_id = $2 and run_id <> all ($3::text[])",
    [run, dag, except],
  );
}

/** Marks the run as finished. */
export async function finishRun(session: Session, run: string): Promise<void> {
  await session.query("update crosswind.run set finished_at = now() where id = $1", [run]);
}
