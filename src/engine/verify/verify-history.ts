import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { chunkPredicate, cutIntoChunks } from "../copy/chunks.ts";
import type { Lanes } from "../copy/copy-context.ts";
import type { OutputColumn, Translation } from "../translate/translate.ts";
import { comparedColumns, ignoredColumns, labelFields, matchingColumns } from "./compared-columns.ts";
import { type DifferingKeys, describeDifferences, findDifferingKeys, type SideRows } from "./differing-rows.ts";
import { digestQuery, inBuckets, type RowShape } from "./digest-sql.ts";
import type { RowDifference, VerifiedEntity } from "./report.ts";
import { labelColumn, sourceRows, targetRows } from "./row-queries.ts";
import { putTranslated, TRANSLATED_ROWS } from "./translated-rows.ts";
import { DETAILED_DIFFERENCES, throwIfStopped, type VerifyContext } from "./verify-context.ts";

/** What one entity came to. */
export interface Verified {
  readonly entity: VerifiedEntity;
  readonly differences: readonly RowDifference[];
}

interface Digest {
  readonly rows: number;
  readonly first: bigint;
  readonly second: bigint;
}

/** By bucket; sums over several chunks. */
type Digests = Map<number, Digest>;

const NO_ROWS: Digest = { rows: 0, first: 0n, second: 0n };

async function readDigests(session: Session, query: Sql): Promise<Digests> {
  const rows = await session.query<{ bucket: number; rows: string; first: string; second: string }>(query);
  return new Map(
    rows.map(({ bucket, rows: count, first, second }) => [
      bucket,
      { rows: Number(count), first: BigInt(first), second: BigInt(second) },
    ]),
  );
}

function add(sums: Digests, more: Digests): number {
  let rows = 0;
  for (const [bucket, each] of more) {
    const sum = sums.get(bucket) ?? NO_ROWS;
    rows += each.rows;
    sums.set(bucket, {
      rows: sum.rows + each.rows,
      first: sum.first + each.first,
      second: sum.second + each.second,
    });
  }
  return rows;
}

function countRows(digests: Digests): number {
  return [...digests.values()].reduce((sum, each) => sum + each.rows, 0);
}

function differingBuckets(source: Digests, target: Digests): readonly number[] {
  return [...new Set([...source.keys(), ...target.keys()])].filter((bucket) => {
    const [ours, theirs] = [source.get(bucket) ?? NO_ROWS, target.get(bucket) ?? NO_ROWS];
    return ours.rows !== theirs.rows || ours.first !== theirs.first || ours.second !== theirs.second;
  });
}

/** Class 22: a value that SQL alone can not translate, as in a copy. */
function isDataException(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code.startsWith("22");
}

function needsCodec(translation: Translation): boolean {
  return translation.columns.some((column) => column.codec !== undefined);
}

/** One entity of history: digests of both sides chunk by chunk, then the rows of the buckets that differ. */
class HistoryCheck {
  readonly #context: VerifyContext;
  readonly #lanes: Lanes;
  readonly #target: Session;
  readonly #shape: RowShape;
  readonly #labels: readonly string[];
  /** True once a chunk could not be translated by SQL alone. */
  #isLanded: boolean;

  constructor(context: VerifyContext, lanes: Lanes, target: Session) {
    const { optimistic } = lanes;
    this.#context = context;
    this.#lanes = lanes;
    this.#target = target;
    this.#shape = { columns: comparedColumns(optimistic), key: matchingColumns(optimistic), hashes: context.hashes };
    this.#labels = labelFields(optimistic).map(labelColumn);
    this.#isLanded = needsCodec(optimistic);
  }

  async run(): Promise<Verified> {
    const targetQuery = targetRows(this.#lanes.optimistic, this.#shape.columns, this.#context.owned);
    const [{ digests: source, left }, target] = await Promise.all([
      this.#digestBySql(),
      readDigests(this.#target, digestQuery(targetQuery, this.#shape)),
    ]);
    for (const chunk of left) this.#report(add(source, await this.#digestLanded(chunk)));
    const buckets = differingBuckets(source, target);
    const found = await this.#findDifferences(targetQuery, buckets);
    const { counts } = found;
    const rows = countRows(source);
    const { entity } = this.#lanes.optimistic;
    return {
      entity: {
        entity: entity.id,
        title: entity.title,
        sourceRows: rows,
        targetRows: countRows(target),
        equal: rows - counts.different - counts.missing,
        ...counts,
        comparedAs: "digest",
        decrypted: false,
        ignored: ignoredColumns(this.#lanes.optimistic, this.#context.job.targetSide),
      },
      differences: found.differences,
    };
  }

  /** Digests what SQL alone can translate; `left` are the chunks that it can not. */
  async #digestBySql(): Promise<{ digests: Digests; left: readonly (Sql | undefined)[] }> {
    const digests: Digests = new Map();
    const left: (Sql | undefined)[] = [];
    const specs = await cutIntoChunks(this.#context.snapshot, this.#lanes.optimistic);
    for (const chunk of specs.map(chunkPredicate)) {
      throwIfStopped(this.#context.job, this.#lanes.optimistic.entity);
      const more = needsCodec(this.#lanes.optimistic) ? undefined : await this.#tryBySql(chunk);
      if (more === undefined) left.push(chunk);
      else this.#report(add(digests, more));
    }
    return { digests, left };
  }

  async #tryBySql(chunk: Sql | undefined): Promise<Digests | undefined> {
    const rows = this.#rowsOf(this.#lanes.optimistic, this.#shape.columns, chunk);
    // A session of its own: an error ends its transaction.
    await using session = await this.#context.snapshot.session();
    try {
      return await readDigests(session, digestQuery(rows, this.#shape));
    } catch (error) {
      if (!isDataException(error) || !needsCodec(this.#lanes.careful)) throw error;
      this.#isLanded = true;
      return undefined;
    }
  }

  async #digestLanded(chunk: Sql | undefined): Promise<Digests> {
    throwIfStopped(this.#context.job, this.#lanes.optimistic.entity);
    await this.#put(this.#carefulRows(chunk));
    return await readDigests(this.#target, digestQuery(TRANSLATED_ROWS, this.#shape));
  }

  async #put(rows: Sql): Promise<void> {
    await using session = await this.#context.snapshot.session();
    const columns = comparedColumns(this.#lanes.careful);
    await putTranslated(session, this.#target, rows, { columns, labels: this.#labels, codecs: this.#context.codecs });
  }

  #carefulRows(chunk?: Sql): Sql {
    const { careful } = this.#lanes;
    return this.#rowsOf(careful, comparedColumns(careful), chunk);
  }

  #rowsOf(translation: Translation, columns: readonly OutputColumn[], source: Sql | undefined): Sql {
    return sourceRows(translation, { columns, source, canonical: this.#context.rowsOf(translation) });
  }

  async #findDifferences(
    targetQuery: Sql,
    buckets: readonly number[],
  ): Promise<{ counts: DifferingKeys["counts"]; differences: readonly RowDifference[] }> {
    if (buckets.length === 0) return { counts: { different: 0, missing: 0, unexpected: 0 }, differences: [] };
    const target = { session: this.#target, rows: targetQuery };
    if (this.#isLanded) {
      await this.#put(inBuckets(this.#carefulRows(), this.#shape, buckets));
      return await this.#describe({ session: this.#target, rows: TRANSLATED_ROWS }, target, buckets);
    }
    await using session = await this.#context.snapshot.session();
    const rows = this.#rowsOf(this.#lanes.optimistic, this.#shape.columns, undefined);
    return await this.#describe({ session, rows }, target, buckets);
  }

  async #describe(source: SideRows, target: SideRows, buckets: readonly number[]) {
    const most = this.#context.job.maxDifferences ?? DETAILED_DIFFERENCES;
    const { counts, first } = await findDifferingKeys({ source, target }, this.#shape, { buckets, most });
    const what = { entity: this.#lanes.optimistic.entity.id, labels: this.#labels, keys: first };
    return { counts, differences: await describeDifferences({ source, target }, this.#shape, what) };
  }

  #report(rows: number): void {
    this.#context.job.onEvent({ kind: "verified", entity: this.#lanes.optimistic.entity.id, rows });
  }
}

/** Compares one entity of history. The target is read in one snapshot, too; what is put there is rolled back. */
export async function verifyHistory(context: VerifyContext, lanes: Lanes): Promise<Verified> {
  await using target = await context.job.target.session();
  await target.query("begin isolation level repeatable read");
  try {
    return await new HistoryCheck(context, lanes, target).run();
  } finally {
    // A connection that is gone has rolled back by itself; the failure that is on its way says so.
    await target.query("rollback").catch(() => []);
  }
}
