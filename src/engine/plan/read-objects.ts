import { createHmac } from "node:crypto";
import type { CodecContext } from "../../airflow/codecs/index.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { openCodec } from "../copy/columns.ts";
import type { Rewrite } from "../copy/rewrite-stream.ts";
import { identifier, type OutputColumn, type Translation } from "../translate/translate.ts";

/** A row in a form in which both sides can be compared: text per column, secrets and what is never shown as keyed digests. */
export interface ComparableRow {
  /** What names it to people: the key's values, where the entity says nothing else. */
  readonly label: string;
  /** The key's values, for matching. */
  readonly key: string;
  readonly values: Readonly<Record<string, string | null>>;
  /** The entity's parts, by field. */
  readonly parts: Readonly<Record<string, readonly string[]>>;
  /** Columns whose secret no key opens. */
  readonly unreadable: readonly string[];
}

function isCompared(translation: Translation, column: OutputColumn): boolean {
  const { compare } = translation.entity.fields[column.field] ?? {};
  return typeof compare !== "object" && column.field !== translation.entity.serial?.field;
}

/** A codec for comparing: a secret becomes a keyed digest, everything else what it would be on the target. */
function comparing(codec: string, context: CodecContext): Rewrite {
  return openCodec(codec === "secret" ? "secret-digest" : codec, context);
}

/** Prefix of columns that no column of Airflow's begins with. */
const ALSO = "also ";
const LABEL = `${ALSO}label`;

/** What is read besides the columns, by name: the label where the entity has one of its own, and its parts. */
function alsoOf({ entity }: Translation): ReadonlyMap<string, Sql> {
  const names = entity.label?.map((name) => `c.${identifier(name)}::text`);
  const parts = (entity.parts ?? []).map(
    ({ field }) => [`${ALSO}${field}`, `coalesce(c.${identifier(field)}, '[]')`] as const,
  );
  return new Map([
    ...(names === undefined ? [] : [[LABEL, `concat_ws(' · ', ${names.join(", ")})`] as const]),
    ...parts,
  ]);
}

function keyedDigest(text: string, { digestKey }: CodecContext): string {
  if (digestKey === undefined)
    throw new TypeError("a hidden value is compared by a keyed digest and needs a digestKey");
  return createHmac("sha256", digestKey).update(text).digest("hex");
}

interface ReadOptions {
  /** Predicate over the canonical row `c`. */
  readonly where: Sql | undefined;
  readonly codecs: CodecContext;
  /** Keys of rows that are not wanted: their secrets are not opened. Default: none. */
  readonly without?: ReadonlySet<string>;
}

/** Columns of a translation's SELECT as text; codecs are applied here. `digestKey` must be the same for both sides. */
export async function readObjects(
  session: Session,
  translation: Translation,
  options: ReadOptions,
): Promise<readonly ComparableRow[]> {
  const also = alsoOf(translation);
  const select = translation.select({
    also: [...also].map(([name, sql]) => `${sql} as ${identifier(name)}`),
    ...(options.where === undefined ? {} : { canonical: options.where }),
  });
  // A SELECT of somebody else's may not know them.
  const more = [...also.keys()].map((name) => `to_jsonb(rows) ->> '${name}' as ${identifier(name)}`);
  const list = translation.columns.map(
    (column) => `${identifier(column.column)}::text as ${identifier(column.column)}`,
  );
  const rows = await session.query<Record<string, string | null>>(
    `select ${[...list, ...more].join(", ")} from (${select}) rows`,
  );
  const opened = new Map(
    translation.columns.flatMap((column) =>
      column.codec === undefined ? [] : [[column.column, comparing(column.codec, options.codecs)] as const],
    ),
  );
  const compared = translation.columns.filter((column) => isCompared(translation, column));
  const keys = translation.columns.filter((column) => translation.key.includes(column.field));
  const keyOf = (row: Record<string, string | null>) => keys.map((column) => row[column.column] ?? "");
  const wanted = rows.filter((row) => options.without?.has(JSON.stringify(keyOf(row))) !== true);
  return wanted.map((row) => {
    const unreadable: string[] = [];
    const values = compared.map((column) => {
      const text = row[column.column] ?? null;
      if (column.isHidden === true && text !== null) return [column.column, keyedDigest(text, options.codecs)] as const;
      const codec = opened.get(column.column);
      if (codec === undefined || text === null) return [column.column, text] as const;
      const outcome = codec(Buffer.from(text, "utf8"));
      if (outcome.problem !== undefined) unreadable.push(column.column);
      return [column.column, outcome.value === null ? null : outcome.value.toString("utf8")] as const;
    });
    const key = keyOf(row);
    const parts = Object.fromEntries(
      (translation.entity.parts ?? []).map(({ field }) => {
        return [field, JSON.parse(row[`${ALSO}${field}`] ?? "[]") as readonly string[]] as const;
      }),
    );
    const label = row[LABEL] ?? key.join(" · ");
    return { label, key: JSON.stringify(key), values: Object.fromEntries(values), parts, unreadable };
  });
}
