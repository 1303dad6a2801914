import type { CodecContext } from "../../airflow/codecs/index.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { openCodec } from "../copy/columns.ts";
import type { Rewrite } from "../copy/rewrite-stream.ts";
import { identifier, type OutputColumn, type Translation } from "../translate/translate.ts";

/** A row in a form in which both sides can be compared: text per column, secrets as keyed digests. */
export interface ComparableRow {
  /** The key's values, for people. */
  readonly label: string;
  /** The key's values, for matching. */
  readonly key: string;
  readonly values: Readonly<Record<string, string | null>>;
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

/** Columns of a translation's SELECT as text; codecs are applied here. `digestKey` must be the same for both sides. */
export async function readObjects(
  session: Session,
  translation: Translation,
  options: { readonly where: Sql | undefined; readonly codecs: CodecContext },
): Promise<readonly ComparableRow[]> {
  const select = translation.select(options.where === undefined ? {} : { canonical: options.where });
  const list = translation.columns.map(
    (column) => `${identifier(column.column)}::text as ${identifier(column.column)}`,
  );
  const rows = await session.query<Record<string, string | null>>(`select ${list.join(", ")} from (${select}) rows`);
  const opened = new Map(
    translation.columns.flatMap((column) =>
      column.codec === undefined ? [] : [[column.column, comparing(column.codec, options.codecs)] as const],
    ),
  );
  const compared = translation.columns.filter((column) => isCompared(translation, column));
  const keys = translation.columns.filter((column) => translation.key.includes(column.field));
  return rows.map((row) => {
    const unreadable: string[] = [];
    const values = compared.map((column) => {
      const text = row[column.column] ?? null;
      const codec = opened.get(column.column);
      if (codec === undefined || text === null) return [column.column, text] as const;
      const outcome = codec(Buffer.from(text, "utf8"));
      if (outcome.problem !== undefined) unreadable.push(column.column);
      return [column.column, outcome.value === null ? null : outcome.value.toString("utf8")] as const;
    });
    const key = keys.map((column) => row[column.column] ?? "");
    return { label: key.join(" · "), key: JSON.stringify(key), values: Object.fromEntries(values), unreadable };
  });
}
