import type { Session } from "../../ports/database.ts";
import type { TargetTable } from "../../ports/raw-target.ts";
import { identifier } from "../translate/translate.ts";
import { rowsOfSpec } from "./changes.ts";
import * as problems from "./problems.ts";
import type { MirrorTypes } from "./upload-rows.ts";

const MOST_NAMED = 5;
/** Escapes that jsonb can not keep, so that a json column's text can not be looked at as jsonb. */
const NOT_IN_JSONB = String.raw`\\u(0000|[dD][89a-fA-F])`;

/** A number that is long enough to have more digits than 64 bits keep: few values have one, so that few are taken apart. */
const LONG_NUMBER = "[0-9.]{17}";

/** True where 64 bits do not keep a number `v`: whole numbers as such, all others as a double. */
const LOSES_DIGITS = `case when v = trunc(v) and v between -9223372036854775808 and 18446744073709551615 then false
  when v = 0 then false when abs(v) > 1.7976931348623157e308 or abs(v) < 4.95e-324 then true else v::text::float8::text::numeric <> v end`;

interface Place {
  readonly table: TargetTable;
  /** Condition for a row `n` that does not fit. */
  readonly where: string;
}

/** Rows that the copy added and that do not fit, by their keys. */
async function misfits(
  session: Session,
  { table, where }: Place,
): Promise<{ readonly rows: string; readonly count: number } | undefined> {
  const label = table.key.map((name) => `n.${identifier(name)}::text`).join(", ");
  const rows = await session.query<{ label: string; count: string }>(
    `select concat_ws(' · ', ${label}) as label, count(*) over () as count
     from ${rowsOfSpec(table, { table: table.name, kind: "added" })} and ${where} limit ${MOST_NAMED}`,
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  return { count: Number(first.count), rows: rows.map((row) => `"${row.label}"`).join(", ") };
}

function isTooDeep(value: string, type: string, levels: number): string {
  const deep = `strict $.**{${levels} to last} ? (@.type() == "array" || @.type() == "object")`;
  const isDeep = `${value}::jsonb @? '${deep}'::jsonpath`;
  return type === "jsonb" ? isDeep : `case when ${value}::text ~ '${NOT_IN_JSONB}' then false else ${isDeep} end`;
}

function losesDigits(value: string): string {
  return `${value}::text ~ '${LONG_NUMBER}' and exists (select from jsonb_path_query(${value}, 'strict $.** ? (@.type() == "number")') q,
    lateral (select (q #>> '{}')::numeric as v) number where ${LOSES_DIGITS})`;
}

/**
 * Looks for documents that are nested deeper than the target takes, and for numbers that its own JSON would round. They may have come out of a pickle:
 * only here, where the rows are put together, can they be told before anything is written. Throws TARGET_JSON_TOO_DEEP, TARGET_JSON_ROUNDED.
 */
export async function assertJsonFits(
  session: Session,
  levels: number,
  { tables, types }: { readonly tables: readonly TargetTable[]; readonly types: MirrorTypes },
): Promise<void> {
  for (const table of tables) {
    for (const [column, type] of types.get(table.name) ?? []) {
      if ((type !== "json" && type !== "jsonb") || table.key.length === 0) continue;
      const [value, place] = [`n.${identifier(column)}`, `${table.name}.${column}`];
      const deep = await misfits(session, { table, where: isTooDeep(value, type, levels) });
      if (deep !== undefined) throw problems.jsonTooDeep({ place, levels, ...deep });
      if (table.columns.find(({ name }) => name === column)?.type !== "json") continue;
      const rounded = await misfits(session, { table, where: losesDigits(value) });
      if (rounded !== undefined) throw problems.jsonRounded({ place, ...rounded });
    }
  }
}
