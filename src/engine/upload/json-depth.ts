import type { Session } from "../../ports/database.ts";
import type { TargetTable } from "../../ports/raw-target.ts";
import { identifier } from "../translate/translate.ts";
import { rowsOfSpec } from "./changes.ts";
import * as problems from "./problems.ts";
import type { MirrorTypes } from "./upload-rows.ts";

const MOST_NAMED = 5;
/** Escapes that jsonb can not keep, so that a json column's text can not be looked at as jsonb. */
const NOT_IN_JSONB = String.raw`\\u(0000|[dD][89a-fA-F])`;

/**
 * Looks for documents that are nested deeper than the target takes. They may have come out of a pickle: only here, where the rows are put
 * together, can they be told before anything is written. Throws TARGET_JSON_TOO_DEEP.
 */
export async function assertJsonFits(
  session: Session,
  levels: number,
  { tables, types }: { readonly tables: readonly TargetTable[]; readonly types: MirrorTypes },
): Promise<void> {
  const deep = `strict $.**{${levels} to last} ? (@.type() == "array" || @.type() == "object")`;
  for (const table of tables) {
    for (const [column, type] of types.get(table.name) ?? []) {
      if ((type !== "json" && type !== "jsonb") || table.key.length === 0) continue;
      const value = `n.${identifier(column)}`;
      const isDeep = `${value}::jsonb @? '${deep}'::jsonpath`;
      const where =
        type === "jsonb" ? isDeep : `case when ${value}::text ~ '${NOT_IN_JSONB}' then false else ${isDeep} end`;
      const label = table.key.map((name) => `n.${identifier(name)}::text`).join(", ");
      const rows = await session.query<{ label: string; count: string }>(
        `select concat_ws(' · ', ${label}) as label, count(*) over () as count
         from ${rowsOfSpec(table, { table: table.name, kind: "added" })} and ${where} limit ${MOST_NAMED}`,
      );
      const [first] = rows;
      if (first === undefined) continue;
      throw problems.jsonTooDeep({
        place: `${table.name}.${column}`,
        count: Number(first.count),
        levels,
        rows: rows.map((row) => `"${row.label}"`).join(", "),
      });
    }
  }
}
