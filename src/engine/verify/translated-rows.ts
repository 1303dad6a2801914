import { pipeline } from "node:stream/promises";
import type { CodecContext } from "../../airflow/codecs/index.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { openCodec } from "../copy/columns.ts";
import { RewriteStream, type StreamColumn } from "../copy/rewrite-stream.ts";
import { identifier, type OutputColumn } from "../translate/translate.ts";

const TABLE = "crosswind_verified";

/** The translated rows: columns under their target names, then the labels. */
export const TRANSLATED_ROWS: Sql = `select * from ${TABLE}`;

export interface TranslatedShape {
  readonly columns: readonly OutputColumn[];
  /** Names of text columns that follow. */
  readonly labels: readonly string[];
  readonly codecs: CodecContext;
}

function streamColumn(column: OutputColumn, codecs: CodecContext): StreamColumn {
  const base = { field: column.field, type: column.type, isKey: false };
  return column.codec === undefined ? base : { ...base, rewrite: openCodec(column.codec, codecs) };
}

/**
 * Puts translated rows that need codecs into a temporary table of the target session, the way a copy writes them: to be digested there
 * by the same SQL. Must run in a transaction, which is rolled back: nothing stays. Rows that were put there before are replaced.
 */
export async function putTranslated(
  source: Session,
  target: Session,
  rows: Sql,
  shape: TranslatedShape,
): Promise<void> {
  const { columns, labels, codecs } = shape;
  const definitions = [
    ...columns.map((column) => `${identifier(column.column)} ${column.type}`),
    ...labels.map((label) => `${identifier(label)} text`),
  ];
  await target.query(`drop table if exists ${TABLE}`);
  await target.query(`create temporary table ${TABLE} (${definitions.join(", ")}) on commit drop`);
  const stream = [
    ...columns.map((column) => streamColumn(column, codecs)),
    ...labels.map((field): StreamColumn => ({ field, type: "text", isKey: false })),
  ];
  await pipeline(source.copyOut(rows), new RewriteStream(stream), target.copyIn(TABLE));
}
