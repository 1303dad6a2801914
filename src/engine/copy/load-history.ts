import { inDepths } from "../../domain/depths.ts";
import type { DurableRun, WorkItem } from "../../ports/durable.ts";
import type { ChunkSpec } from "./chunks.ts";
import type { CopyRun } from "./copy-run.ts";
import type { TakenOff } from "./indexes.ts";
import { putKeysBack, readTakenOff, readUnchecked, type TableCheck } from "./restore-indexes.ts";

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

function buildItem(item: TakenOff): WorkItem {
  return { kind: "build", key: `build ${item.id}`, payload: item };
}

function checkItem(check: TableCheck): WorkItem {
  return { kind: "check", key: `check ${check.table}`, payload: check };
}

/** Indexes of loaded tables, those of their keys among them. */
async function buildItems(durable: DurableRun, run: CopyRun, stage: Stage): Promise<readonly WorkItem[]> {
  const tables = new Set(stage.entities.map((entity) => run.rows.lanes(entity).optimistic.targetTable));
  const off = await durable.step(`list what is off after ${stage.name}`, async () => {
    await using target = await run.job.target.session();
    return (await readTakenOff(target)).filter((item) => tables.has(item.on_table));
  });
  return off.filter((item) => item.kind !== "foreign key").map(buildItem);
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
  const builds: (() => Promise<unknown>)[] = [];
  let indexes: readonly WorkItem[] = [];
  for (const stage of inStages(run, chunks)) {
    const loaded = await durable.begin(stage.items);
    builds.push(await durable.begin(indexes));
    await loaded();
    indexes = await buildItems(durable, run, stage);
  }
  await onLoaded();
  await run.release();
  run.job.onEvent({ kind: "phase", phase: "indexes" });
  builds.push(await durable.begin(indexes));
  for (const built of builds) await built();
  const unchecked = await durable.step("put keys back", async () => {
    await using target = await run.job.target.session();
    await putKeysBack(target);
    return await readUnchecked(target);
  });
  await durable.all(unchecked.map(checkItem));
}
