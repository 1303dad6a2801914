import type { Entity, Sql } from "../../domain/entity.ts";
import { type ResolvedSelection } from "../select/filters.ts";
import type { IdRules, Translation } from "../translate/translate.ts";
import { type Chunk, type CopiedChunk, copyChunk, type WayIn } from "./copy-chunk.ts";
import { allLanes, type CopyJob, type Lanes, rowsOf } from "./copy-context.ts";
import { givesIds, readIdMaps } from "./id-rules.ts";
import { referencesName } from "./ledger-chunks.ts";
import type { ReadSnapshot } from "./snapshot.ts";
import { assertSameTypes } from "./types-check.ts";

/** What is copied, and the rules that it is copied by. */
export interface RowCopierParts {
  readonly job: CopyJob;
  readonly snapshot: ReadSnapshot;
  readonly selection: ResolvedSelection;
  /** DAG runs of the source. */
  readonly dagRun: Translation;
  readonly ids: IdRules;
}

/** What the types of a translation hang on: its SELECT, and what is expected of it. */
function describedBy({ select, columns }: Translation): string {
  return JSON.stringify([select(), columns.map(({ type, codecInput }) => codecInput ?? type)]);
}

/** Writes chunks of one read snapshot to the target, translated; knows the ids that the target gave. */
export class RowCopier {
  readonly job: CopyJob;
  readonly snapshot: ReadSnapshot;
  readonly selection: ResolvedSelection;
  readonly #dagRun: Translation;
  #ids: IdRules;
  #lanes: ReadonlyMap<string, Lanes>;

  constructor({ job, snapshot, selection, dagRun, ids }: RowCopierParts) {
    this.job = job;
    this.snapshot = snapshot;
    this.selection = selection;
    this.#dagRun = dagRun;
    this.#ids = ids;
    this.#lanes = allLanes(job, ids);
  }

  /** All translations of the run, by entity, in order. */
  get all(): readonly Lanes[] {
    return [...this.#lanes.values()];
  }

  lanes(entity: string): Lanes {
    const lanes = this.#lanes.get(entity);
    if (lanes === undefined) throw new Error(`the run does not copy ${entity}`);
    return lanes;
  }

  /** Entities of the run by their way of loading, in order. */
  loadedBy(load: "bulk" | "merge"): readonly Lanes[] {
    return this.all.filter((lanes) => lanes.optimistic.entity.load === load);
  }

  /** Reads the target's ids of rows that it numbers itself: what it has at first, and again those of an entity whose rows were merged. */
  async loadMaps(merged?: Entity): Promise<void> {
    await using target = await this.job.target.session();
    const { sourceSide, targetSide } = this.job;
    const sides = { sourceSide, targetSide, ...(merged === undefined ? {} : { of: [merged] }) };
    const maps = await readIdMaps(this.snapshot.holder, target, sides);
    this.#ids = { ...this.#ids, maps: { ...this.#ids.maps, ...maps } };
    this.#lanes = allLanes(this.job, this.#ids);
  }

  /** The described types of every SELECT against the target's columns, in both lanes. Throws COPY_TYPES_DIFFER. */
  async checkTypes(): Promise<void> {
    for (const { optimistic, careful } of this.all) {
      await assertSameTypes(this.snapshot.holder, optimistic);
      if (describedBy(careful) !== describedBy(optimistic)) await assertSameTypes(this.snapshot.holder, careful);
    }
  }

  /** The predicate over `c` of the rows of an entity that are copied; undefined: all. */
  rowsOf(translation: Translation): Sql | undefined {
    const { targetSide } = this.job;
    return rowsOf(translation, this.selection, { dagRun: this.#dagRun, targetRelease: targetSide.release });
  }

  /** Merges rows and reads the ids that the target gave them: other objects may refer to them, and rows of the same kind to each other. */
  async merge(chunk: Chunk): Promise<CopiedChunk> {
    const copied = await this.write(chunk, "merge");
    const { entity } = this.lanes(chunk.entity).optimistic;
    if (!givesIds(entity) || (copied.isNew && copied.rows === 0)) return copied;
    await this.loadMaps(entity);
    const refersToItself = Object.values(entity.fields).some((field) => field.references === entity.id);
    if (refersToItself) await this.write({ ...chunk, name: referencesName(chunk.name) }, "merge");
    return copied;
  }

  async write(chunk: Chunk, way: WayIn): Promise<CopiedChunk> {
    const lanes = this.lanes(chunk.entity);
    const onBytes = (bytes: number) => this.job.onEvent({ kind: "bytes", entity: chunk.entity, bytes });
    const replaced = this.job.conflicts.replacedObjects[chunk.entity] ?? [];
    const copied = await copyChunk(
      { source: () => this.snapshot.session(), target: () => this.job.target.session() },
      {
        chunk,
        way,
        ...lanes,
        rows: this.rowsOf(lanes.optimistic),
        codecs: this.job.codecs,
        replaced,
        onBytes,
        throttle: this.job.throttle,
      },
    );
    this.#report(chunk, copied);
    return copied;
  }

  #report(chunk: Chunk, copied: CopiedChunk): void {
    const { onEvent } = this.job;
    for (const each of copied.changed) {
      onEvent({ kind: "changed", entity: chunk.entity, field: each.field, change: each.kind, count: each.count });
    }
    onEvent({
      kind: "chunk",
      entity: chunk.entity,
      chunk: chunk.name,
      rows: copied.rows,
      bytes: copied.bytes,
      isNew: copied.isNew,
    });
  }
}
