import type { Client } from "pg";
import { stateOfNewerVersion } from "./problems.ts";

/**
 * The record of runs in the state database, beside the tables of DBOS: what is to be done (plans hold no secrets), who takes part, who asked for
 * what, and what is left of the limits. One entry a version: a released one is never changed, a later one is added.
 */
const MIGRATIONS = [
  `create table crosswind_state.run (
     id text primary key, plan jsonb not null, source text not null, target text not null, version text not null,
     who text not null, host text not null, begun_at timestamptz not null default now(), ended_at timestamptz,
     state text not null check (state in ('waiting', 'running', 'stopped', 'failed', 'cancelled', 'done')),
     wanted text not null default 'run' check (wanted in ('run', 'pause', 'cancel')),
     life int, read_snapshot text, way_in text, is_loaded boolean not null default false,
     limits jsonb not null default '{}', result jsonb, problem jsonb);
   create sequence crosswind_state.executor_lock as int cycle;
   create table crosswind_state.executor (
     id text primary key, run text not null, role text not null check (role in ('carrier', 'worker')), version text not null,
     who text not null, host text not null, pid int not null, lock_key int not null,
     since timestamptz not null default now(), beat_at timestamptz not null default now(), ended_at timestamptz);
   create table crosswind_state.audit (
     id bigint generated always as identity primary key, at timestamptz not null default now(), who text not null, host text not null,
     run text, what text not null, detail jsonb not null default '{}');
   create function crosswind_state.refuse() returns trigger language plpgsql as
     $$ begin raise exception 'the audit trail is only ever added to'; end $$;
   create trigger append_only before update or delete or truncate on crosswind_state.audit
     for each statement execute function crosswind_state.refuse();
   create table crosswind_state.flow (environment text, unit text, free_at timestamptz not null, primary key (environment, unit));
   create table crosswind_state.permit (
     environment text, place int, executor text not null references crosswind_state.executor on delete cascade,
     primary key (environment, place));`,
] as const;

const LOCK = "select pg_advisory_xact_lock(hashtext('airflow-crosswind state'))";

async function versionOf(client: Client): Promise<number> {
  // Not to_regclass: what it found once it may keep for a transaction's time, also where another process has made the table meanwhile.
  const { rows: there } = await client.query(
    "select 1 from pg_tables where schemaname = 'crosswind_state' and tablename = 'version'",
  );
  if (there.length === 0) return 0;
  const { rows } = await client.query<{ version: number }>("select version from crosswind_state.version");
  return rows[0]?.version ?? 0;
}

async function migrate(client: Client): Promise<void> {
  await client.query(LOCK);
  // Another process may have done so meanwhile.
  const from = await versionOf(client);
  await client.query(
    "create schema if not exists crosswind_state; create table if not exists crosswind_state.version (version int not null)",
  );
  for (const statements of MIGRATIONS.slice(from)) await client.query(statements);
  await client.query("delete from crosswind_state.version");
  await client.query("insert into crosswind_state.version values ($1)", [MIGRATIONS.length]);
}

/** Brings the record of runs to this version. Throws STATE_OF_NEWER_VERSION; what the server says comes as it is. */
export async function prepareState(client: Client, where: string): Promise<void> {
  const version = await versionOf(client);
  if (version > MIGRATIONS.length) throw stateOfNewerVersion({ where, version, known: MIGRATIONS.length });
  if (version === MIGRATIONS.length) return;
  await client.query("begin");
  try {
    await migrate(client);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}
