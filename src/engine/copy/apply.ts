import type { RunLife } from "../../domain/run.ts";
import type { DurableRun, ItemDefinition, RunDefinition, WorkItem } from "../../ports/durable.ts";
import type { ChunkSpec } from "./chunks.ts";
import type { CopyJob } from "./copy-context.ts";
import { CopyRun } from "./copy-run.ts";
import { compareDefinitions, type TakenOff, takeOffIndexes } from "./indexes.ts";
import { finishRun } from "./ledger.ts";
import { loadHistory } from "./load-history.ts";
import { buildIndex, checkTable, type TableCheck } from "./restore-indexes.ts";
import { assertAllThere } from "./set-back.ts";

/** What an apply did, per entity, from the ledger. */
export interface CopySummary {
  readonly entities: readonly { readonly entity: string; readonly rows: number; readonly bytes: number }[];
  readonly changed: readonly {
    readonly entity: string;
    readonly field: string;
    readonly kind: string;
    readonly count: number;
    readonly examples: readonly string[];
  }[];
  readonly indexesRebuilt: number;
}

/** Rows that a load of the table will bring, as the plan counted them. */
export type ExpectedRows = Readonly<Record<string, number>>;

async function readSummary(job: CopyJob): Promise<CopySummary> {
  const entities = await job.target.query<{ entity: string; rows: string; bytes: string }>(
    "select entity, sum(rows) as rows, sum(bytes) as bytes from crosswind.chunk where run = $1 and chunk not like 'changed since %' group by entity",
    [job.run],
  );
  const changed = await job.target.query<{
    entity: string;
    field: string;
    kind: string;
    count: string;
    examples: readonly string[];
  }>(
    `select entity, field, kind, sum(count) as count, (array_agg(examples order by chunk))[1] as examples
     from crosswind.changed_value where run = $1 group by entity, field, kind order by 1, 2, 3`,
    [job.run],
  );
  const [rebuilt] = await job.target.query<{ n: string }>(
    "select count(*) as n from crosswind.taken_off where run = $1",
    [job.run],
  );
  return {
    entities: entities.map((row) => ({ entity: row.entity, rows: Number(row.rows), bytes: Number(row.bytes) })),
    changed: changed.map((row) => ({ ...row, count: Number(row.count) })),
    indexesRebuilt: Number(rebuilt?.n ?? 0),
  };
}

async function prepare(run: CopyRun): Promise<readonly ChunkSpec[]> {
  run.job.onEvent({ kind: "phase", phase: "prepare" });
  await run.rows.checkTypes();
  await using target = await run.job.target.session();
  await run.prepareTarget(target);
  run.job.onEvent({ kind: "phase", phase: "objects" });
  for (const { optimistic } of run.rows.loadedBy("merge")) await run.copyObjects(optimistic.entity.id);
  return await run.cut();
}

/** No recorded step: a second life finds everything put back and, where it may, takes it off again. */
async function takeOff(run: CopyRun, expected: ExpectedRows): Promise<void> {
  if (run.way === "merge") return;
  await using target = await run.job.target.session();
  const loads = run.rows.loadedBy("bulk").map(({ optimistic }) => ({
    table: optimistic.targetTable,
    rows: expected[optimistic.entity.id] ?? 0,
  }));
  const names = await takeOffIndexes(target, run.job.run, loads);
  run.job.onEvent({ kind: "taken-off", names });
}

async function finish(run: CopyRun, chunks: readonly ChunkSpec[]): Promise<CopySummary> {
  const { job } = run;
  job.onEvent({ kind: "phase", phase: "finish" });
  await using target = await job.target.session();
  await assertAllThere(target, job.run, chunks);
  await compareDefinitions(target, job.run);
  await finishRun(target, job.run);
  return await readSummary(job);
}

/** What a run lets others know, who do chunks of it. */
export interface RunNotices {
  /** The life can be joined. */
  began(life: RunLife): Promise<void>;
  /** Its read snapshot is no longer needed. */
  loaded(): Promise<void>;
}

export interface ApplySettings {
  readonly expected: ExpectedRows;
  /** How long history is read from one read snapshot, in milliseconds: for as long, the source's server can not clean up what changed. */
  readonly maxSnapshotMs: number;
  /** Default: nobody is told. */
  readonly notices?: RunNotices;
}

export interface ApplyDefinition extends RunDefinition<CopySummary>, AsyncDisposable {
  /** Aborted when the read snapshot is too old: the run is to be stopped and started again, which takes a new one. */
  readonly snapshotTooOld: AbortSignal;
}

/** Does an item of a run's history. */
async function doItem(job: CopyJob, item: WorkItem, run: () => Promise<CopyRun>): Promise<unknown> {
  if (item.kind === "chunk") {
    const { rows, bytes, isNew } = await (await run()).copy(item.payload as ChunkSpec);
    return { rows, bytes, isNew };
  }
  await using target = await job.target.session();
  if (item.kind === "check") {
    const check = item.payload as TableCheck;
    await checkTable(target, check);
    for (const { name } of check.foreignKeys) job.onEvent({ kind: "restored", name });
    return null;
  }
  const off = item.payload as TakenOff;
  await buildIndex(target, off);
  job.onEvent({ kind: "restored", name: off.name });
  return null;
}

/**
 * The course of an apply. Objects first, because history refers to them; then history in chunks, in stages as the foreign keys
 * want it, while what was taken off of the tables before is put back.
 */
export function defineApply(job: CopyJob, { expected, maxSnapshotMs, notices }: ApplySettings): ApplyDefinition {
  // The queue hands out items of an earlier life as soon as it is there: before the course has read the ids that they refer to.
  const ready = Promise.withResolvers<CopyRun>();
  let opened: Promise<CopyRun> | undefined;
  const age = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = async (durable: DurableRun) => {
    const run = await durable.everyLife(() => {
      opened = CopyRun.open(job);
      return opened;
    });
    const chunks = await durable.step("prepare", () => prepare(run));
    await durable.everyLife(() => takeOff(run, expected));
    await durable.everyLife(async () => await notices?.began(run.published));
    ready.resolve(run);
    return { run, chunks };
  };
  return {
    async run(durable) {
      const { run, chunks } = await begin(durable);
      job.onEvent({ kind: "phase", phase: "history" });
      timer = setTimeout(() => age.abort(), maxSnapshotMs);
      const onLoaded = async () => {
        clearTimeout(timer);
        await durable.everyLife(async () => await notices?.loaded());
      };
      await loadHistory(durable, run, { chunks, onLoaded });
      return await durable.step("finish", () => finish(run, chunks));
    },
    ready: async () => void (await ready.promise),
    item: (item) => doItem(job, item, () => ready.promise),
    snapshotTooOld: age.signal,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      const run = await opened?.catch(() => undefined);
      await run?.[Symbol.asyncDispose]();
    },
  };
}

/** Items of a run that another process carries. Its read snapshot is joined with the first chunk, and left by `release`. */
export interface HelpDefinition extends ItemDefinition, AsyncDisposable {
  /** The source's server may clean up again: no chunk is left. */
  release(): Promise<void>;
}

/** Does items in a life of a run that another process carries. */
export function defineHelp(job: CopyJob, life: RunLife): HelpDefinition {
  let joined: Promise<CopyRun> | undefined;
  const run = () => {
    joined ??= CopyRun.join(job, life);
    return joined;
  };
  const release = async () => {
    const copyRun = await joined?.catch(() => undefined);
    await copyRun?.release();
  };
  return { item: (item) => doItem(job, item, run), release, [Symbol.asyncDispose]: release };
}
