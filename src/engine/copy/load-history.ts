import { inDepths } from "../../domain/depths.ts";
import type { DurableRun, WorkItem } from "../../ports/durable.ts";
import type { ChunkSpec } from "./chunks.ts";
import type { CopyRun } from "./copy-run.ts";
import { readTakenOff, type TakenOff } from "./indexes.ts";

/** Entities that may be loaded at the same time, because none of them refers to another. */
interface Stage {
  readonly name: string;
  readonly entities: readonly string[];
  readonly items: readonly WorkItem[];
}

function inStages(run: CopyRun, chunks: readonly ChunkSpec[]): readonly Stage[] {
  const after = new Map(run.rows.loadedBy("bulk").map(({ optimistic: { entity } }) => [entity.id, entity.after]));
  return inDepths([...after.keys()], (id) => after.get(id) ?? []).map((entities, depth) => ({
    name: `stage ${depth + 1}`,
    entities,
    items: chunks.filter(({ entity }) => entities.includes(entity)).map(chunkItem),
  }));
}

function chunkItem(chunk: ChunkSpec): WorkItem {
  return { kind: "chunk", key: `${chunk.entity} ${chunk.name}`, payload: chunk };
}

function restoreItem(item: TakenOff): WorkItem {
  return { kind: "restore", key: `restore ${item.id}`, payload: item };
}

/**
 * Work that makes loaded tables whole: their keys and indexes, and statistics, which the check of foreign keys is planned with. The statistics
 * of tables without any are left to the server's own autovacuum.
 */
async function restoreItems(durable: DurableRun, run: CopyRun, stage: Stage): Promise<readonly WorkItem[]> {
  const tables = new Set(stage.entities.map((entity) => run.rows.lanes(entity).optimistic.targetTable));
  const off = await durable.step(`list what is off after ${stage.name}`, async () => {
    await using target = await run.job.target.session();
    return (await readTakenOff(target)).filter((item) => tables.has(item.on_table));
  });
  const keys = off.filter((item) => item.kind !== "foreign key");
  const checked = new Set(off.filter((item) => item.kind === "foreign key").map((item) => item.on_table));
  const analyses = [...checked].map(
    (table): WorkItem => ({ kind: "analyze", key: `analyze ${table}`, payload: table }),
  );
  return [...keys.map(restoreItem), ...analyses];
}

interface History {
  readonly chunks: readonly ChunkSpec[];
  /** The source is not needed any more. */
  readonly onLoaded: () => Promise<void>;
}

/**
 * Loads stage after stage; the indexes of a stage's tables are made while the next ones are loaded. A stage waits for the rows of the one before
 * only, so that no lane waits for the last index of others. Foreign keys last: they need both tables' keys.
 */
export async function loadHistory(durable: DurableRun, run: CopyRun, { chunks, onLoaded }: History): Promise<void> {
  const restores: (() => Promise<unknown>)[] = [];
  let indexes: readonly WorkItem[] = [];
  for (const stage of inStages(run, chunks)) {
    const loaded = await durable.begin(stage.items);
    restores.push(await durable.begin(indexes));
    await loaded();
    indexes = await restoreItems(durable, run, stage);
  }
  await onLoaded();
  await run.release();
  run.job.onEvent({ kind: "phase", phase: "indexes" });
  restores.push(await durable.begin(indexes));
  for (const restored of restores) await restored();
  const off = await durable.step("list what is off", async () => {
    await using target = await run.job.target.session();
    return await readTakenOff(target);
  });
  await durable.all(off.map(restoreItem));
}
