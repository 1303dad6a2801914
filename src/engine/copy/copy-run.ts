import { tableOf } from "../../airflow/define-entity.ts";
import { dagRun as dagRunEntity } from "../../airflow/entities/dag-run.ts";
import { isInRange } from "../../domain/release.ts";
import type { RunLife } from "../../domain/run.ts";
import type { Session } from "../../ports/database.ts";
import { type ResolvedSelection, resolveSelection } from "../select/filters.ts";
import { identifier, NO_ID_RULES, type Translation } from "../translate/translate.ts";
import { type ChunkSpec, changedSince, chunkOf, cutIntoChunks } from "./chunks.ts";
import type { CopiedChunk, WayIn } from "./copy-chunk.ts";
import { allLanes, type CopyJob, dagRunOf } from "./copy-context.ts";
import { readTargetOwnedDags } from "./dag-owners.ts";
import { settleIdRules } from "./id-rules.ts";
import * as ledger from "./ledger.ts";
import { countChunks, deltaName, hasEarlierHistory, readBegunEntities } from "./ledger-chunks.ts";
import { idRulesOf, readIdRules } from "./ledger-ids.ts";
import { lifeOver } from "./problems.ts";
import { makeRoom } from "./replace-runs.ts";
import { restoreAll } from "./restore-indexes.ts";
import { RowCopier, type RowCopierParts } from "./row-copier.ts";
import { joinReadSnapshot, openReadSnapshot, readDeleted } from "./snapshot.ts";

/**
 * A copy in this process: its read snapshot, its id rules and its selection. Opened once per process and run; after a crash the next process
 * opens it again, finds its chunks in the ledger, and goes on by merge, because the old snapshot is gone.
 */
export class CopyRun implements AsyncDisposable {
  readonly job: CopyJob;
  readonly rows: RowCopier;
  /** True when chunks were already there: what is left goes in by merge. */
  readonly isResumed: boolean;
  /** How history goes in: by merge where some of it may be there already. */
  readonly way: WayIn;
  /** How often the run was begun: chunks of another life, which has another read snapshot, are not written any more. */
  readonly life: number;

  private constructor(parts: RowCopierParts & Pick<CopyRun, "isResumed" | "way" | "life">) {
    this.job = parts.job;
    this.rows = new RowCopier(parts);
    this.isResumed = parts.isResumed;
    this.way = parts.way;
    this.life = parts.life;
  }

  /** Opens the run on both sides. Idempotent: whatever an earlier life left half done is put right first. */
  static async open(job: CopyJob): Promise<CopyRun> {
    const deleted = await readDeleted(job.source);
    const snapshot = await openReadSnapshot(job.source);
    try {
      await using target = await job.target.session();
      await ledger.createLedger(target);
      const life = (await ledger.beginLife(target, job.run)) ?? 1;
      await restoreAll(target);
      const dagRun = dagRunOf(job, dagRunEntity);
      const there = await ledger.readRun(target, job.run);
      const chunks = there === undefined ? 0 : await countChunks(target, job.run);
      const isResumed = chunks > 0 && there?.markXid != null;
      const resolved = isResumed
        ? await resumeSelection(snapshot.holder, target, { job, dagRun, recorded: there })
        : {
            ...(await resolveSelection(snapshot.holder, dagRun, { selection: job.selection, now: job.now })),
            kept: job.conflicts,
          };
      const selection = { ...resolved, ownedByTarget: await readTargetOwnedDags(target, job.identity) };
      const ids = await target.transaction(async () => {
        const translations = [...allLanes(job, NO_ID_RULES).values()].map((lanes) => lanes.optimistic);
        const filenodes = await readFilenodes(snapshot.holder, translations);
        if (there === undefined) {
          const { mark } = snapshot;
          await ledger.beginRun(target, {
            run: job.run,
            source: job.identity,
            mark,
            filenodes,
            deleted,
            planned: job.selection,
            selection,
          });
          await makeRoom(snapshot.holder, target, { job, dagRun });
        }
        return await settleIdRules(snapshot.holder, target, {
          translations,
          identity: job.identity,
          targetRelease: job.targetSide.release,
        });
      });
      const isReplacing = job.conflicts.replacedRuns.length > 0;
      const isMerged =
        isResumed || isReplacing || (await hasEarlierHistory(target, { id: job.run, source: job.identity }));
      const way: WayIn = isMerged ? "merge" : "direct";
      const run = new CopyRun({ job, snapshot, selection, dagRun, isResumed, way, life, ids });
      await run.rows.loadMaps();
      if (isResumed) job.onEvent({ kind: "resumed", chunksThere: chunks });
      if (there !== undefined) await run.#bringUpToDate(target, there);
      return run;
    } catch (error) {
      await snapshot[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Joins the life of a run that another process carries: the same rows by the same rules, as that one has recorded them in the ledger. Chunks
   * that are written once that life is over are refused.
   */
  static async join(job: CopyJob, { life, readSnapshot: exported, wayIn: way }: RunLife): Promise<CopyRun> {
    await using target = await job.target.session();
    const recorded = await ledger.readRun(target, job.run);
    if (recorded?.selection == null) throw lifeOver({ run: job.run });
    const mark = { xid: recorded.markXid ?? "3", snapshot: recorded.mark ?? "" };
    const snapshot = await joinReadSnapshot(job.source, { exported, mark, joinedOf: job.run });
    try {
      const selection = { ...recorded.selection, leftOut: await ledger.readLeftOut(target, job.run) };
      const ids = idRulesOf(await readIdRules(target, job.identity));
      const dagRun = dagRunOf(job, dagRunEntity);
      const run = new CopyRun({ job, snapshot, selection, dagRun, isResumed: way === "merge", way, life, ids });
      await run.rows.loadMaps();
      return run;
    } catch (error) {
      await snapshot[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** This life, as others join it. */
  get published(): RunLife {
    return { life: this.life, readSnapshot: this.rows.snapshot.exported, wayIn: this.way };
  }

  /** Statements that must have run on the target before the first row. */
  async prepareTarget(target: Session): Promise<void> {
    for (const { optimistic } of this.rows.all) {
      for (const each of optimistic.entity.prepare ?? []) {
        if (isInRange(this.job.targetSide.release, each.in)) await target.query(each.sql);
      }
    }
  }

  async cut(): Promise<readonly ChunkSpec[]> {
    const chunks: ChunkSpec[] = [];
    for (const lanes of this.rows.loadedBy("bulk")) {
      const own = await cutIntoChunks(this.rows.snapshot, lanes.optimistic);
      this.job.onEvent({ kind: "planned", entity: lanes.optimistic.entity.id, chunks: own.length });
      chunks.push(...own);
    }
    return chunks;
  }

  async copy(spec: ChunkSpec): Promise<CopiedChunk> {
    return await this.rows.write({ ...chunkOf(this.job.run, spec), life: this.life }, this.way);
  }

  /** Copies an entity of few rows as one chunk, by merge. */
  async copyObjects(entity: string): Promise<CopiedChunk> {
    return await this.rows.merge({ run: this.job.run, entity, name: "all" });
  }

  /** Rows of entities begun before that changed since the old mark: parents first, by merge; then the mark moves on. */
  async #bringUpToDate(target: Session, { markXid, filenodes }: ledger.LedgerRun): Promise<void> {
    const begun = await readBegunEntities(target, this.job.run);
    const all = this.rows.all.map((lanes) => lanes.optimistic);
    const { snapshot, selection } = this.rows;
    const filenodesNow = await readFilenodes(snapshot.holder, all);
    const bring = async (load: "bulk" | "merge") => {
      for (const { entity, sourceTable, isConstant } of all) {
        if (entity.load !== load || !begun.has(entity.id)) continue;
        const wasRewritten = isConstant || filenodes[sourceTable] !== filenodesNow[sourceTable];
        const from = tableOf(entity, this.job.sourceSide.release)?.from;
        // Of few rows all: which of them are copied may hang on tables that they are not read from.
        const isWhole = wasRewritten || load === "merge";
        const source = isWhole ? "true" : changedSince(from, markXid ?? "3");
        const name = deltaName(markXid ?? "3", snapshot.mark);
        await this.rows.merge({ run: this.job.run, entity: entity.id, name, source });
      }
    };
    await bring("merge");
    await bring("bulk");
    const { mark } = snapshot;
    const moved = {
      run: this.job.run,
      source: this.job.identity,
      mark,
      filenodes: filenodesNow,
      planned: this.job.selection,
    };
    await target.transaction(() => ledger.beginRun(target, { ...moved, selection }));
  }

  /** Ends the read snapshot: the source's server may clean up again. Nothing can be copied afterwards. */
  async release(): Promise<void> {
    await this.rows.snapshot[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

interface Resume {
  readonly job: CopyJob;
  readonly dagRun: Translation;
  readonly recorded: ledger.LedgerRun;
}

/** The selection as it was recorded; runs left out then stay left out, and runs that are not finished now join them. */
async function resumeSelection(
  source: Session,
  target: Session,
  { job, dagRun, recorded }: Resume,
): Promise<ResolvedSelection> {
  const now = await resolveSelection(source, dagRun, { selection: job.selection, now: job.now });
  const before = await ledger.readLeftOut(target, job.run);
  const known = new Set(before.map((each) => JSON.stringify([each.dag_id, each.run_id])));
  const leftOut = [...before, ...now.leftOut.filter((each) => !known.has(JSON.stringify([each.dag_id, each.run_id])))];
  return { ...now, ...recorded.selection, leftOut };
}

/**
 * Rewriting a table (VACUUM FULL, CLUSTER) renumbers its rows without a trace in them; the file's number tells. The locks keep anybody from
 * doing so for as long as the read snapshot is open: a chunk is a range of these numbers.
 */
export async function readFilenodes(
  session: Session,
  translations: readonly Translation[],
): Promise<Readonly<Record<string, string>>> {
  const tables = translations
    .filter(({ entity }) => entity.load === "bulk")
    .map((translation) => translation.sourceTable);
  if (tables.length > 0) await session.query(`lock table ${tables.map(identifier).join(", ")} in access share mode`);
  const rows = await session.query<{ name: string; node: string }>(
    "select name, pg_relation_filenode(quote_ident(name)::regclass)::text as node from unnest($1::text[]) name",
    [tables],
  );
  return Object.fromEntries(rows.map((row) => [row.name, row.node]));
}
