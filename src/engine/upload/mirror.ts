import { randomUUID } from "node:crypto";
import { columnOf, tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import type { Finding } from "../../domain/finding.ts";
import type { Release } from "../../domain/release.ts";
import type { Database, LandedFrom, Session } from "../../ports/database.ts";
import type { KeptLedger, TargetTable } from "../../ports/raw-target.ts";
import { createLedger } from "../copy/ledger.ts";
import { identifier } from "../translate/translate.ts";
import { type LandTargetJob, landTarget } from "./land-target.ts";
import { COPIED_BEFORE } from "./ledger-copy.ts";

/** The rows of the target as they were when the mirror was made. */
export const BASE = "crosswind_base";

/** Numbers left to rows that the target's own Airflow writes between being read and being written to, where it has rows already. */
const LEAD = 10_000;

/** Who keeps numbers free in the ledger of a mirror: nobody's source. */
const RESERVED = "the target itself";

/** What a mirror knows of itself. */
export interface Mirror {
  /** Random: another mirror of the same target is another one. */
  readonly id: string;
  readonly facts: LandedFrom;
  readonly findings: readonly Finding[];
}

const STATE = `
  create schema if not exists crosswind_mirror;
  create table if not exists crosswind_mirror.mirror (id text primary key, content jsonb not null);
  create table if not exists crosswind_mirror.chunk (chunk text primary key, rows bigint not null)`;

async function readMirror(session: Session): Promise<Mirror | undefined> {
  const [row] = await session.query<{ content: Mirror }>("select content from crosswind_mirror.mirror");
  return row?.content;
}

/** Landed rows can be had again, those that a copy puts beside them can not: from here on the disk is waited for. */
async function makeDurable(session: Session): Promise<void> {
  const rows = await session.query<{ name: string }>(
    `select c.relname as name from pg_class c where c.relkind = 'r' and c.relpersistence = 'u'
     and c.relnamespace = 'public'::regnamespace`,
  );
  for (const { name } of rows) await session.query(`alter table public.${identifier(name)} set logged`);
  const [here] = await session.query<{ name: string }>("select current_database() as name");
  await session.query(`alter database ${identifier(here?.name ?? "")} set synchronous_commit = on`);
}

async function keepBase(session: Session, tables: readonly TargetTable[]): Promise<void> {
  await session.query(`drop schema if exists ${BASE} cascade`);
  await session.query(`create schema ${BASE}`);
  for (const { name, key } of tables) {
    await session.query(`create table ${BASE}.${identifier(name)} as table public.${identifier(name)}`);
    if (key.length === 0) continue;
    // No constraint: what puts the keys of the tables back tells those by name.
    await session.query(`create unique index on ${BASE}.${identifier(name)} (${key.map(identifier).join(", ")})`);
    await session.query(`analyze ${BASE}.${identifier(name)}`);
  }
}

/** Numbers that the target's own Airflow may give meanwhile are taken, for the ids that a copy keeps or shifts. */
async function reserveNumbers(session: Session, tables: readonly TargetTable[], release: Release): Promise<void> {
  for (const entity of entities) {
    const [table, field] = [tableOf(entity, release)?.table, entity.serial?.field];
    const of = tables.find(({ name }) => name === table);
    const next = of?.numbers?.next ?? 1;
    if (entity.serial?.rule !== "kept" || field === undefined || next <= 1) continue;
    const life = entity.fields[field];
    if (life === undefined || columnOf(life, field, release) !== of?.numbers?.column) continue;
    await session.query(
      `insert into crosswind.id_rule (source, entity, id_offset, low, high) values ($1, $2, 0, $3, $4)
       on conflict (source, entity) do update set high = greatest(crosswind.id_rule.high, excluded.high)`,
      [RESERVED, entity.id, next, next + LEAD],
    );
  }
}

/**
 * Opens the mirror of a run: the target as it was when the run began, and what the copy put beside it. Made once: a run that goes on finds
 * its own.
 */
export async function openMirror(job: LandTargetJob, kept: () => Promise<KeptLedger | undefined>): Promise<Mirror> {
  await using session = await job.staging.session();
  await session.query(STATE);
  const there = await readMirror(session);
  if (there !== undefined) return there;
  const { tables, release, facts, findings } = await landTarget(job, await kept());
  await createLedger(session);
  return await session.transaction(async () => {
    await makeDurable(session);
    await keepBase(session, tables);
    await session.query(`create table ${COPIED_BEFORE} as table crosswind.copied_object`);
    await reserveNumbers(session, tables, release);
    const mirror: Mirror = { id: randomUUID(), facts, findings };
    await session.query("insert into crosswind_mirror.mirror (id, content) values ($1, $2)", [
      mirror.id,
      JSON.stringify(mirror),
    ]);
    return mirror;
  });
}

/** What the copy into the mirror did, as JSON; undefined while it is not finished. */
export async function readCopied(mirror: Database): Promise<string | undefined> {
  const [row] = await mirror.query<{ copied: string | null }>(
    "select content ->> 'copied' as copied from crosswind_mirror.mirror",
  );
  return row?.copied ?? undefined;
}

/**
 * Notes that the copy into the mirror is finished. From here on the mirror must not change, also where the state database was lost and knows
 * nothing of the run: an uploaded chunk is known by the blocks that its rows lay in.
 */
export async function writeCopied(mirror: Database, summary: string): Promise<void> {
  await mirror.query("update crosswind_mirror.mirror set content = content || jsonb_build_object('copied', $1::text)", [
    summary,
  ]);
}
