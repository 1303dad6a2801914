import { pipeline } from "node:stream/promises";
import type { CodecContext } from "../../airflow/codecs/index.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import type { Throttle } from "../../ports/durable.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { ByteCounter } from "./byte-counter.ts";
import { streamColumns } from "./columns.ts";
import { claimChunk, recordChunk } from "./ledger-chunks.ts";
import { type Merge, mergeStatements } from "./merge.ts";
import * as problems from "./problems.ts";
import { type ChangedValues, RewriteStream } from "./rewrite-stream.ts";

/** A stretch of one entity's rows: by position in the source's table, or all of them. */
export interface Chunk {
  readonly run: string;
  readonly entity: string;
  /** Unique within run and entity. */
  readonly name: string;
  /** Of the run: in another one the chunk is not written. Default: it has but one. */
  readonly life?: number;
  /** Predicate over the source row `s`. */
  readonly source?: Sql;
  /** Predicate over the canonical row `c`, besides that of what is copied at all. */
  readonly canonical?: Sql;
}

/** `direct`: into the table itself; `merge`: into a temporary table, then upserted by the entity's key. */
export type WayIn = "direct" | "merge";

export interface CopyChunkOptions {
  readonly chunk: Chunk;
  readonly way: WayIn;
  /** By lane: what SQL alone does, and with the fallible fields through their codecs. */
  readonly optimistic: Translation;
  readonly careful: Translation;
  /** Predicate over the canonical row `c`. */
  readonly rows: Sql | undefined;
  readonly codecs: CodecContext;
  /** Keys of the target's own objects that become the source's. */
  readonly replaced: readonly string[];
  readonly onBytes: (bytes: number) => void;
  readonly throttle?: Throttle | undefined;
}

export interface CopiedChunk {
  /** False: another worker, or an earlier life of this one, had written it. */
  readonly isNew: boolean;
  readonly rows: number;
  readonly bytes: number;
  /** Of `rows`, where they were merged: those that the target did not have, and those that it had with other values. */
  readonly inserted: number;
  readonly updated: number;
  readonly changed: readonly ChangedValues[];
}

const ALREADY_THERE: CopiedChunk = { isNew: false, rows: 0, bytes: 0, inserted: 0, updated: 0, changed: [] };

/**
 * Data exceptions (class 22) and what is too deep or too large for a type (class 54) come from values, not from the connection: the codecs
 * know what to do with them.
 */
function isDataException(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (code.startsWith("22") || code.startsWith("54"));
}

function asProblem(error: unknown, options: CopyChunkOptions): unknown {
  return problems.rejection(error, { entity: options.optimistic.entity.title, chunk: options.chunk.name });
}

async function pipe(
  source: Session,
  target: Session,
  translation: Translation,
  options: CopyChunkOptions & { readonly into: string },
) {
  const { source: of, canonical: own } = options.chunk;
  const canonical = [options.rows, own].filter((each) => each !== undefined).map((each) => `(${each})`);
  const where = {
    ...(of === undefined ? {} : { source: of }),
    ...(canonical.length === 0 ? {} : { canonical: canonical.join(" and ") }),
  };
  const columns = streamColumns(translation, options.codecs);
  const rewrite = columns === undefined ? undefined : new RewriteStream(columns);
  const counter = new ByteCounter(options.onBytes, options.throttle);
  const list = translation.columns.map((column) => identifier(column.column)).join(", ");
  const from = source.copyOut(translation.select(where));
  const into = target.copyIn(`${options.into} (${list})`);
  await (rewrite === undefined ? pipeline(from, counter, into) : pipeline(from, rewrite, counter, into));
  const unreadable = rewrite?.changed.filter((each) => each.kind === "secret-unreadable") ?? [];
  if (unreadable.length > 0) {
    throw problems.secretsUnreadable({
      entity: translation.entity.title,
      names: unreadable.flatMap((each) => each.examples).join(", "),
    });
  }
  return {
    rows: (into as unknown as { rowCount: number }).rowCount,
    bytes: counter.bytes,
    changed: rewrite?.changed ?? [],
  };
}

/** Runs what makes rows of what was staged, if anything was; how many of them are new, and how many are changed. */
async function mergeStaged(target: Session, merge: Merge | undefined, staged: number) {
  const written = { inserted: 0, updated: 0 };
  for (const { sql, counts } of staged === 0 ? [] : (merge?.after ?? [])) {
    const [row] = await target.query<{ n: number }>(sql);
    if (counts !== undefined) written[counts] += row?.n ?? 0;
  }
  // Another entity may be merged in the same transaction.
  if (merge !== undefined) await target.query(`drop table ${merge.tables.join(", ")}`);
  return written;
}

/** Copies one chunk within the target session's transaction. */
export async function writeChunk(
  sessions: { readonly source: Session; readonly target: Session },
  translation: Translation,
  options: CopyChunkOptions,
): Promise<CopiedChunk> {
  const { chunk } = options;
  const { source, target } = sessions;
  // First of all: a chunk done twice by two workers waits here, then skips.
  const { name, life, ...of } = chunk;
  if (
    !(await claimChunk(target, {
      run: of.run,
      entity: of.entity,
      chunk: name,
      ...(life === undefined ? {} : { life }),
    }))
  )
    return ALREADY_THERE;
  const merge = options.way === "merge" ? mergeStatements(translation, chunk.run, options.replaced) : undefined;
  for (const statement of merge?.before ?? []) await target.query(statement);
  const into = merge === undefined ? identifier(translation.targetTable) : merge.staged;
  const copied = await pipe(source, target, translation, { ...options, into });
  const written = await mergeStaged(target, merge, copied.rows);
  const { run, entity } = chunk;
  await recordChunk(target, { run, entity, chunk: name, rows: copied.rows, bytes: copied.bytes });
  await recordChanged(target, chunk, copied.changed);
  return { isNew: true, ...copied, ...written };
}

async function recordChanged(target: Session, chunk: Chunk, changed: readonly ChangedValues[]): Promise<void> {
  for (const each of changed) {
    await target.query(
      `insert into crosswind.changed_value (run, entity, chunk, field, kind, reason, count, examples)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        chunk.run,
        chunk.entity,
        chunk.name,
        each.field,
        each.kind,
        each.reason,
        each.count,
        JSON.stringify(each.examples),
      ],
    );
  }
}

/**
 * Copies one chunk: in the target once or not at all, whatever is killed.
 *
 * `source` is a session in the run's read snapshot. The optimistic translation is tried first; where a value makes SQL raise, the chunk is
 * rolled back and repeated with the fallible fields through their codecs. Opens the sessions itself, because a broken COPY ends its connection.
 */
export async function copyChunk(
  open: { readonly source: () => Promise<Session>; readonly target: () => Promise<Session> },
  options: CopyChunkOptions,
): Promise<CopiedChunk> {
  const write = async (translation: Translation) => {
    await using source = await open.source();
    await using target = await open.target();
    return await target.transaction(() => writeChunk({ source, target }, translation, options));
  };
  // How many rows a chunk has is known at its end: the wait for them is after it, without its locks.
  const attempt = async (translation: Translation) => {
    const copied = await write(translation);
    await options.throttle?.rows(copied.rows);
    return copied;
  };
  const isOneLane = options.optimistic.columns.every(
    (column, index) => column.codec === options.careful.columns[index]?.codec,
  );
  try {
    return await attempt(options.optimistic);
  } catch (error) {
    if (isOneLane || !isDataException(error)) throw asProblem(error, options);
  }
  try {
    return await attempt(options.careful);
  } catch (error) {
    throw asProblem(error, options);
  }
}
