import { type CodecContext, type CodecId, codecs } from "../../airflow/codecs/index.ts";
import type { OutputColumn, Translation } from "../translate/translate.ts";
import { type Rewrite, remember, type StreamColumn } from "./rewrite-stream.ts";

function isCodec(id: string): id is CodecId {
  return Object.hasOwn(codecs, id);
}

/** The type of the values that a codec takes. Throws a plain Error for an unknown id: that is a bug in an entity file. */
export function codecInput(id: string): string {
  if (!isCodec(id)) throw new Error(`unknown codec "${id}"`);
  return codecs[id].input;
}

/** Opens a column's codec; values of codecs that need keys are secrets and are not remembered. */
export function openCodec(id: string, context: CodecContext): Rewrite {
  if (!isCodec(id)) throw new Error(`unknown codec "${id}"`);
  const codec = codecs[id];
  const rewrite = codec.open(context);
  return codec.needs.length === 0 ? remember(rewrite) : rewrite;
}

function streamColumn(column: OutputColumn, key: readonly string[], context: CodecContext): StreamColumn {
  const base = { field: column.field, type: column.type, isKey: key.includes(column.field) };
  return column.codec === undefined ? base : { ...base, rewrite: openCodec(column.codec, context) };
}

/** The columns of a translation's stream with their codecs opened; undefined when Node has nothing to rewrite. */
export function streamColumns(translation: Translation, context: CodecContext): readonly StreamColumn[] | undefined {
  if (translation.columns.every((column) => column.codec === undefined)) return undefined;
  const key = translation.entity.label ?? translation.entity.key;
  return translation.columns.map((column) => streamColumn(column, key, context));
}
