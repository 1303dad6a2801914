import { tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import { inDepths } from "../../domain/depths.ts";
import type { Release } from "../../domain/release.ts";
import type { EventSink } from "../../domain/run-event.ts";
import type { Database, Session } from "../../ports/database.ts";
import type { DurableRun, RunDefinition, WorkItem } from "../../ports/durable.ts";
import type { RawTarget, TargetTable, UploadLedger } from "../../ports/raw-target.ts";
import { identifier } from "../translate/translate.ts";
import { cutChanges, rowsOfSpec, specName, type UploadSpec } from "./changes.ts";
import { assertJsonFits } from "./json-fits.ts";
import { dumpLedger, objectsOf } from "./ledger-copy.ts";
import * as problems from "./problems.ts";
import { type MirrorTypes, readMirrorTypes, uploadRows } from "./upload-rows.ts";

export interface UploadJob {
  readonly run: string;
  readonly target: RawTarget;
  /** The database in which the copy put its rows beside the target's. */
  readonly mirror: Database;
  /** The mirror's own id. */
  readonly mirrorId: string;
  readonly ledger: UploadLedger;
  /** The target's. */
  readonly release: Release;
  /** What the copy did, as JSON: kept with the run. */
  readonly summary: string;
  readonly onEvent: EventSink;
}

interface Opened {
  /** Ids of the entities of which the ledger lists every row, by table. */
  readonly objects: ReadonlyMap<string, readonly string[]>;
  readonly tables: ReadonlyMap<string, TargetTable>;
  readonly types: MirrorTypes;
}

/** A migration of the target's own Airflow since it was read. Throws TARGET_CHANGED_SINCE. */
function assertSameColumns(tables: readonly TargetTable[], types: MirrorTypes): void {
  const known = new Set(tables.flatMap(({ name, columns }) => columns.map((column) => `${name}.${column.name}`)));
  const gone = [...types].flatMap(([table, columns]) =>
    [...columns.keys()].map((column) => `${table}.${column}`).filter((name) => !known.has(name)),
  );
  if (gone.length > 0) throw problems.targetChanged({ columns: gone.slice(0, 5).join(", ") });
}

async function open({ target, mirror, release }: UploadJob): Promise<Opened> {
  await using session = await mirror.session();
  const [tables, types] = [await target.tables(), await readMirrorTypes(session)];
  assertSameColumns(tables, types);
  const listed = entities.filter(({ load }) => load === "merge");
  const byTable = Map.groupBy(listed, (entity) => tableOf(entity, release)?.table ?? "");
  const objects = new Map([...byTable].map(([table, of]) => [table, of.map(({ id }) => id)]));
  return {
    objects,
    tables: new Map(tables.map((table) => [table.name, table])),
    types,
  };
}

/** Numbers that the copy gave away, or keeps free for the source's later rows: the target's own come behind them. */
async function raiseNumbers({ target, mirror }: UploadJob, { tables }: Opened): Promise<null> {
  await using session = await mirror.session();
  for (const table of tables.values()) {
    const { name, numbers } = table;
    if (numbers === undefined) continue;
    const [row] = await session.query<{ next: string | null }>(
      `select (case when last_value is null then null else last_value + 1 end)::text as next from pg_sequences
       where schemaname = 'public' and sequencename = $1`,
      [`${name}_${numbers.column}_seq`],
    );
    const next = Number(row?.next ?? 0);
    if (next > numbers.next) await target.raiseNumber(table, next);
  }
  return null;
}

/** From here on the target gives no number of the copy's any more; those that it gave before stop the upload. */
async function assertNumbersFree({ target, mirror }: UploadJob, { tables }: Opened): Promise<null> {
  await using session = await mirror.session();
  for (const table of tables.values()) {
    if (table.numbers === undefined || table.key.length === 0) continue;
    const column = identifier(table.numbers.column);
    const [row] = await session.query<{ low: string | null; high: string | null }>(
      `select min(n.${column})::text as low, max(n.${column})::text as high from ${rowsOfSpec(table, { table: table.name, kind: "added" })}`,
    );
    if (row?.low == null || row.high == null) continue;
    const count = await target.countNumbers(table, Number(row.low), Number(row.high));
    if (count > 0) throw problems.numbersTaken({ table: table.name, count });
  }
  return null;
}

async function isRecorded(session: Session, chunk: string): Promise<boolean> {
  return (await session.query("select 1 from crosswind_mirror.chunk where chunk = $1", [chunk])).length > 0;
}

async function write(job: UploadJob, { objects, tables, types }: Opened, spec: UploadSpec): Promise<null> {
  const table = tables.get(spec.table);
  if (table === undefined) throw new Error(`the target has no table ${spec.table} any more`);
  const chunk = specName(spec);
  await using session = await job.mirror.session();
  const { isInTarget } = job.ledger;
  if (!isInTarget && (await isRecorded(session, chunk))) return null;
  const rows = { mirror: job.mirror, table, types: types.get(spec.table) ?? new Map<string, string>(), spec };
  const claim = { run: job.run, chunk };
  const keeps = await objectsOf(session, {
    entities: objects.get(spec.table) ?? [],
    replaced: spec.kind === "changed",
  });
  const uploaded = await job.target.write({
    name: chunk,
    ...(isInTarget ? { claim } : {}),
    ...(keeps === undefined ? {} : { keeps }),
    table,
    ...(spec.kind === "deleted" ? {} : { after: uploadRows(rows, "n") }),
    ...(spec.kind === "added" ? {} : { before: uploadRows(rows, "b") }),
  });
  if (!isInTarget) {
    if (keeps !== undefined) await job.ledger.add(claim, keeps);
    await session.query("insert into crosswind_mirror.chunk (chunk, rows) values ($1, $2) on conflict do nothing", [
      chunk,
      uploaded.rows,
    ]);
  }
  job.onEvent({ kind: "uploaded", table: spec.table, chunk, rows: uploaded.rows, isNew: uploaded.isNew });
  return null;
}

/** Rows that go first, then tables with what they refer to before them. */
function inStages(specs: readonly UploadSpec[], tables: readonly TargetTable[]): readonly (readonly UploadSpec[])[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const depths = inDepths([...byName.keys()], (name) => byName.get(name)?.references ?? []);
  const of = (names: readonly string[], isDeletion: boolean) =>
    specs.filter(({ table, kind }) => names.includes(table) && (kind === "deleted") === isDeletion);
  return [...depths.toReversed().map((names) => of(names, true)), ...depths.map((names) => of(names, false))].filter(
    (stage) => stage.length > 0,
  );
}

function itemOf(spec: UploadSpec): WorkItem {
  return { kind: "upload", key: specName(spec), payload: spec };
}

async function record(job: UploadJob, summary?: string): Promise<null> {
  await using session = await job.mirror.session();
  const run = { id: job.run, mirror: job.mirrorId, ...(summary === undefined ? {} : { summary }) };
  await job.ledger.write(run, await dumpLedger(session, { isFinished: summary !== undefined }));
  return null;
}

/**
 * The course of an upload: what the copy did to the mirror is done to the target, chunk by chunk. The ledger is there before the first row, so that
 * a later plan knows the rows for ours, wherever this stops.
 */
export function defineUpload(job: UploadJob): RunDefinition<null> {
  let opened: Promise<Opened> | undefined;
  const once = () => {
    opened ??= open(job);
    return opened;
  };
  return {
    async run(durable: DurableRun) {
      job.onEvent({ kind: "phase", phase: "upload" });
      const { objects, tables, types } = await once();
      await durable.step("fit", async () => {
        await using session = await job.mirror.session();
        await assertJsonFits(session, await job.target.mostJsonLevels(), { tables: [...tables.values()], types });
        return null;
      });
      await durable.step("numbers", async () => raiseNumbers(job, await once()));
      await durable.step("numbers are free", async () => assertNumbersFree(job, await once()));
      await durable.step("record", () => record(job));
      const specs = await durable.step("cut", async () => {
        await using session = await job.mirror.session();
        return await cutChanges(session, { tables: [...tables.values()], whole: new Set(objects.keys()) });
      });
      for (const stage of inStages(specs, [...tables.values()])) await durable.all(stage.map(itemOf));
      return await durable.step("finish", () => record(job, job.summary));
    },
    async item(item) {
      return await write(job, await once(), item.payload as UploadSpec);
    },
  };
}
