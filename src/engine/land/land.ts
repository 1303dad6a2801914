import { setTimeout as sleep } from "node:timers/promises";
import { tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import type { Finding } from "../../domain/finding.ts";
import type { Release } from "../../domain/release.ts";
import type { EventSink } from "../../domain/run-event.ts";
import type { Database, Session } from "../../ports/database.ts";
import type { RawFacts, RawReading, RawSource, RawTable } from "../../ports/raw-source.ts";
import { identifier } from "../translate/translate.ts";
import { detectRawRelease } from "./detect-raw.ts";
import { findFoldedIds } from "./folded-ids.ts";
import { landTable, shapeText } from "./land-table.ts";
import { type FitType, type LandedShape, landedShape, schemasNear } from "./landed-shape.ts";
import * as problems from "./problems.ts";
import {
  type LandingRecord,
  makeRecord,
  RECORD_SCHEMA,
  readLanding,
  readTables,
  type TableRecord,
  writeLanding,
} from "./record.ts";
import { UnfitValues } from "./unfit.ts";

/** Postgres cuts longer names silently, so that two could become one. */
const LONGEST_NAME_BYTES = 63;
const LOCK = "hashtext('airflow-crosswind landing')";
const WAIT_MS = 5000;
const POLL_MS = 100;

export interface LandJob {
  readonly source: RawSource;
  /** An empty database, or one that this source was landed in before. */
  readonly staging: Database;
  readonly onEvent: EventSink;
  readonly signal?: AbortSignal;
  /** Tables whose rows are landed; the others stay empty. Default: all. */
  readonly takesRows?: (table: string) => boolean;
  /** Which side is landed, for messages. Default: the source. */
  readonly side?: "source" | "target";
  /** Default: types as in Airflow's own Postgres schema. */
  readonly fit?: FitType;
}

/** A source as it is landed now. */
export interface Landed {
  readonly facts: RawFacts;
  readonly release: Release;
  readonly findings: readonly Finding[];
}

/** Refuses to go on with a source of which not everything could be landed. Throws LANDING_UNFIT. */
export function assertLanded(findings: readonly Finding[]): void {
  const blockers = findings.filter((finding) => finding.severity === "blocker");
  if (blockers[0] !== undefined) {
    throw problems.landedUnfit({ count: blockers.length, first: `${blockers[0].code}, ${blockers[0].what}` });
  }
}

/** Waits a moment for another command to finish; the lock goes with the transaction. Throws LANDING_UNDER_WAY. */
async function lock(session: Session, source: RawSource): Promise<void> {
  for (let waited = 0; ; waited += POLL_MS) {
    const [row] = await session.query<{ held: boolean }>(`select pg_try_advisory_xact_lock(${LOCK}) as held`);
    if (row?.held === true) return;
    if (waited >= WAIT_MS) throw problems.landingUnderWay({ source: source.address });
    await sleep(POLL_MS);
  }
}

function hasKeepableNames({ name, columns }: RawTable): boolean {
  return [name, ...columns.map((column) => column.name)].every(
    (each) => Buffer.byteLength(each) <= LONGEST_NAME_BYTES && !each.includes("\0"),
  );
}

/** Tables that the source does not have any more. */
async function dropOthers(session: Session, tables: readonly RawTable[]): Promise<void> {
  const names = new Set(tables.map(({ name }) => name));
  const there = await session.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' order by 1",
  );
  for (const { name } of there.filter((each) => !names.has(each.name))) {
    await session.query(`drop table public.${identifier(name)} cascade`);
    await session.query(`delete from ${RECORD_SCHEMA}.landed_table where name = $1`, [name]);
  }
}

/** Lands every table. */
async function landTables(
  session: Session,
  shapes: readonly LandedShape[],
  { reading, unfit, records, job }: Landing,
): Promise<void> {
  await dropOthers(
    session,
    shapes.map(({ raw }) => raw),
  );
  for (const shape of shapes) {
    const { name } = shape.raw;
    const loaded = await landTable(session, shape, {
      reading: job.takesRows?.(name) === false ? withoutRows(reading) : reading,
      unfit,
      before: records.get(name),
      onRows: (rows) => {
        if (job.signal?.aborted === true) throw problems.landingStopped({ source: job.source.address });
        job.onEvent({ kind: "landing", table: name, rows });
      },
    });
    job.onEvent({ kind: "landed", table: name, ...loaded });
    if (loaded.isChanged) await session.query(`analyze public.${identifier(name)}`);
  }
}

interface Landing {
  readonly job: LandJob;
  readonly reading: RawReading;
  readonly unfit: UnfitValues;
  readonly records: ReadonlyMap<string, TableRecord>;
}

function isUnchanged(before: LandingRecord, { identity, unchangedSince }: RawFacts): boolean {
  return before.identity === identity && unchangedSince !== undefined && before.unchangedSince === unchangedSince;
}

/** True where every table was landed with the types that it would get now: another Crosswind may know better. */
function haveShapes(records: ReadonlyMap<string, TableRecord>, shapes: readonly LandedShape[]): boolean {
  return (
    records.size === shapes.length && shapes.every((shape) => records.get(shape.raw.name)?.shape === shapeText(shape))
  );
}

/** Tables that stay behind because Postgres would cut their names: none of Airflow's. */
function unkeepable(tables: readonly RawTable[]): readonly Finding[] {
  const names = tables.filter((table) => !hasKeepableNames(table)).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      code: "TABLE_NOT_LANDED",
      severity: "note",
      what: `${names.length} tables have names, or columns with names, that are too long for Postgres (${names.slice(0, 3).join(", ")}); they are not Airflow's and not copied`,
      next: [],
      subjects: names.slice(0, 20),
      count: names.length,
    },
  ];
}

function withoutRows(reading: RawReading): RawReading {
  return { ...reading, rows: async function* () {} };
}

function isCopiedIn(release: Release): (table: string) => boolean {
  const copied = new Set(entities.flatMap((entity) => tableOf(entity, release)?.table ?? []));
  return (table) => copied.has(table) || table.startsWith("alembic_version");
}

/**
 * Brings staging up to the source as it is now, in one transaction of staging and one snapshot of the source: others see the last landing
 * until this one is whole, and a landing that is killed leaves nothing behind. A source that has not changed is not read again.
 *
 * Throws DATABASE_NOT_INITIALISED, SCHEMA_HEAD_UNKNOWN, SCHEMA_HALF_MIGRATED, LANDING_UNDER_WAY, LANDING_VALUE_REFUSED, LANDING_STOPPED and the
 * problems of both connections.
 */
export async function land(job: LandJob): Promise<Landed> {
  await using session = await job.staging.session();
  return await session.transaction(async () => {
    await lock(session, job.source);
    await using reading = await job.source.read();
    await makeRecord(session);
    const { facts } = reading;
    const release = await detectRawRelease(reading, job.source, job.side);
    const schemas = await schemasNear(release);
    const shapes = reading.tables
      .filter(hasKeepableNames)
      .map((raw) => landedShape(raw, schemas, { release, fit: job.fit }));
    const [before, records] = [await readLanding(session), await readTables(session)];
    if (before !== undefined && isUnchanged(before, facts) && haveShapes(records, shapes)) {
      return { facts, release, findings: before.findings };
    }
    job.onEvent({ kind: "phase", phase: "landing" });
    const unfit = new UnfitValues();
    // Of another source nothing can be used, whatever it looks like.
    const usable = before?.identity === facts.identity ? records : new Map<string, TableRecord>();
    await landTables(session, shapes, { job, reading, unfit, records: usable });
    const isCopied = isCopiedIn(release);
    const copied = shapes.map(({ raw }) => raw).filter(({ name }) => isCopied(name));
    const findings = [
      ...unfit.findings(isCopied),
      ...unkeepable(reading.tables),
      ...(await findFoldedIds(session, copied)),
    ];
    const { identity, unchangedSince = null } = facts;
    await writeLanding(session, { source: job.source.address, identity, unchangedSince, findings });
    return { facts, release, findings };
  });
}
