import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import type { Lanes } from "../copy/copy-context.ts";
import type { ReadSnapshot } from "../copy/snapshot.ts";
import type { OutputColumn, Side, Translation } from "../translate/translate.ts";
import { comparedColumns, ignoredColumns, labelFields, matchingColumns } from "./compared-columns.ts";
import { type DifferingKeys, describeDifferences, findDifferingKeys, type SideRows } from "./differing-rows.ts";
import { digestQuery, inBuckets, type RowShape } from "./digest-sql.ts";
import { addDigests, countRows, type Digests, differingBuckets, readDigests } from "./digests.ts";
import { DigestReader } from "./kept-digests.ts";
import type { RowDifference, VerifiedEntity } from "./report.ts";
import { fewDags, labelColumn, sourceRows, targetRows } from "./row-queries.ts";
import { cutIntoSlices, ofDags, type Slice } from "./slices.ts";
import { putTranslated, TRANSLATED_ROWS } from "./translated-rows.ts";
import { DETAILED_DIFFERENCES, type VerifyContext } from "./verify-context.ts";

/** What one entity came to. */
export interface Verified {
  readonly entity: VerifiedEntity;
  readonly differences: readonly RowDifference[];
  /** Of history: the buckets of keys in which something differs. */
  readonly buckets: readonly number[];
}

/** Classes 22 and 54: a value that SQL alone can not translate, as in a copy. */
function isDataException(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (code.startsWith("22") || code.startsWith("54"));
}

function needsCodec(translation: Translation): boolean {
  return translation.columns.some((column) => column.codec !== undefined);
}

/**
 * A server does not know how many buckets there are, and would sort all rows, through files; nor how many rows predicates leave, and would
 * go through the list of runs for each of them.
 */
const FOR_WHOLE_TABLES = ["set local enable_sort = off", "set local enable_nestloop = off"];

const NO_DIFFERENCES = { counts: { different: 0, missing: 0, unexpected: 0 }, differences: [] };

interface BothDigests {
  readonly source: Digests;
  readonly target: Digests;
  /** Those that differ. */
  readonly buckets: readonly number[];
}

/** One entity of history: digests of both sides slice by slice, then the rows of the buckets that differ. */
class HistoryCheck {
  readonly #context: VerifyContext;
  readonly #lanes: Lanes;
  readonly #shape: RowShape;
  readonly #labels: readonly string[];
  readonly #reader: DigestReader;
  /** True once a slice could not be translated by SQL alone. */
  #isLanded: boolean;

  constructor(context: VerifyContext, lanes: Lanes) {
    const { optimistic } = lanes;
    this.#context = context;
    this.#lanes = lanes;
    this.#reader = new DigestReader(context.job.kept);
    this.#shape = { columns: comparedColumns(optimistic), key: matchingColumns(optimistic), hashes: context.hashes };
    this.#labels = labelFields(optimistic).map(labelColumn);
    this.#isLanded = needsCodec(optimistic);
  }

  async run(): Promise<Verified> {
    const { source, target, buckets } = await this.#digestBoth();
    const { counts, differences } = buckets.length === 0 ? NO_DIFFERENCES : await this.#findDifferences(buckets);
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
      differences,
      buckets,
    };
  }

  /** What differs between what was read now and what an earlier comparison had read may have changed in between: then all is read anew. */
  async #digestBoth(): Promise<BothDigests> {
    const [source, target] = await Promise.all([this.#digestSource(), this.#digestTarget()]);
    const buckets = differingBuckets(source, target);
    if (buckets.length === 0 || !this.#reader.isMixed) return { source, target, buckets };
    this.#reader.beginAnew();
    return await this.#digestBoth();
  }

  async #digestSource(): Promise<Digests> {
    const { snapshot, work, job } = this.#context;
    const slices = await work.source(() => this.#cut(snapshot, this.#lanes.optimistic, job.sourceSide));
    const digests: Digests = new Map();
    const digestSlice = async (slice: Slice) => {
      const bySql = needsCodec(this.#lanes.optimistic) ? undefined : await work.source(() => this.#digestBySql(slice));
      const more = bySql ?? (await work.both(() => this.#digestLanded(slice)));
      this.#report(addDigests(digests, more));
    };
    await allDone(slices.map(digestSlice));
    return digests;
  }

  async #digestTarget(): Promise<Digests> {
    const { targetSnapshot, work, job } = this.#context;
    const { optimistic } = this.#lanes;
    const kept = { ...optimistic, sourceTable: optimistic.targetTable };
    const slices = await work.target(() => this.#cut(targetSnapshot, kept, job.targetSide));
    const digests: Digests = new Map();
    await allDone(
      slices.map((slice) =>
        work.target(async () => {
          addDigests(digests, await this.#digest(targetSnapshot, this.#targetRows(slice)));
        }),
      ),
    );
    return digests;
  }

  async #cut(snapshot: ReadSnapshot, translation: Translation, { release }: Side): Promise<readonly Slice[]> {
    const { resolved, mostSlices: most } = this.#context;
    await using session = await snapshot.session();
    const side = { holder: session, abilities: snapshot.abilities };
    return await cutIntoSlices(side, translation, { release, dags: fewDags(resolved), most });
  }

  /** Digests what SQL alone can translate; undefined where it can not. */
  async #digestBySql(slice: Slice): Promise<Digests | undefined> {
    const rows = this.#rowsOf(this.#lanes.optimistic, this.#shape.columns, slice);
    try {
      return await this.#digest(this.#context.snapshot, rows);
    } catch (error) {
      if (!isDataException(error) || !needsCodec(this.#lanes.careful)) throw error;
      this.#isLanded = true;
      return undefined;
    }
  }

  async #digestLanded(slice: Slice): Promise<Digests> {
    const { sampled } = this.#context;
    const rows = this.#carefulRows(slice);
    const wanted = sampled === undefined ? rows : inBuckets(rows, this.#shape, sampled);
    const read = (session: Session) => readDigests(session, digestQuery(TRANSLATED_ROWS, this.#shape));
    return await this.#reader.read(`landed: ${wanted}`, () => this.#landed(wanted, read));
  }

  /** Puts rows through their codecs into a table of a session of the target, which is rolled back afterwards. */
  async #landed<T>(rows: Sql, work: (session: Session) => Promise<T>): Promise<T> {
    await using source = await this.#context.snapshot.session();
    await using target = await this.#context.job.target.session();
    const columns = comparedColumns(this.#lanes.careful);
    await target.query("begin");
    try {
      await putTranslated(source, target, rows, { columns, labels: this.#labels, codecs: this.#context.codecs });
      return await work(target);
    } finally {
      // A connection that is gone has rolled back by itself; the failure that is on its way says so.
      await target.query("rollback").catch(() => []);
    }
  }

  async #digest(snapshot: ReadSnapshot, rows: Sql): Promise<Digests> {
    const { sampled, resolved, targetSnapshot } = this.#context;
    const wanted = sampled === undefined ? rows : inBuckets(rows, this.#shape, sampled);
    const query = digestQuery(wanted, this.#shape);
    const side = snapshot === targetSnapshot ? "target" : "source";
    return await this.#reader.read(`${side}: ${query}`, async () => {
      // A session of its own: an error ends its transaction.
      await using session = await snapshot.session();
      for (const each of fewDags(resolved) === undefined ? FOR_WHOLE_TABLES : []) await session.query(each);
      return await readDigests(session, query);
    });
  }

  #carefulRows(slice: Slice): Sql {
    const { careful } = this.#lanes;
    return this.#rowsOf(careful, comparedColumns(careful), slice);
  }

  #rowsOf(translation: Translation, columns: readonly OutputColumn[], source: Slice): Sql {
    return sourceRows(translation, { columns, source, canonical: this.#context.rowsOf(translation) });
  }

  #targetRows(source: Slice): Sql {
    return targetRows(this.#lanes.optimistic, this.#shape.columns, { ...this.#context.owned, source });
  }

  async #findDifferences(buckets: readonly number[]) {
    const { work, job, resolved } = this.#context;
    const { entity } = this.#lanes.optimistic;
    const slices = [job.sourceSide, job.targetSide].map(({ release }) => ofDags(entity, release, fewDags(resolved)));
    return await work.details(async () => {
      await using session = await this.#context.targetSnapshot.session();
      const target = { session, rows: this.#targetRows(slices[1]) };
      if (this.#isLanded) {
        const rows = inBuckets(this.#carefulRows(slices[0]), this.#shape, buckets);
        return await this.#landed(rows, (landed) =>
          this.#describe({ session: landed, rows: TRANSLATED_ROWS }, target, buckets),
        );
      }
      await using source = await this.#context.snapshot.session();
      const rows = this.#rowsOf(this.#lanes.optimistic, this.#shape.columns, slices[0]);
      return await this.#describe({ session: source, rows }, target, buckets);
    });
  }

  async #describe(
    source: SideRows,
    target: SideRows,
    buckets: readonly number[],
  ): Promise<{ counts: DifferingKeys["counts"]; differences: readonly RowDifference[] }> {
    const most = this.#context.job.maxDifferences ?? DETAILED_DIFFERENCES;
    const { counts, first } = await findDifferingKeys({ source, target }, this.#shape, { buckets, most });
    const what = { entity: this.#lanes.optimistic.entity.id, labels: this.#labels, keys: first };
    return { counts, differences: await describeDifferences({ source, target }, this.#shape, what) };
  }

  #report(rows: number): void {
    this.#context.job.onEvent({ kind: "verified", entity: this.#lanes.optimistic.entity.id, rows });
  }
}

/** Waits for all of them, also where one fails: none of them goes on when the snapshots are closed. */
export async function allDone<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** Compares one entity of history. Of each side one snapshot is read; what is put into the target is rolled back. */
export async function verifyHistory(context: VerifyContext, lanes: Lanes): Promise<Verified> {
  return await new HistoryCheck(context, lanes).run();
}
