import type { TargetTable } from "../../ports/raw-target.ts";
import type { FitType } from "../land/landed-shape.ts";

/**
 * The types that a target's tables have in its mirror: narrower than in Airflow's own Postgres schema where the target's columns are, so that what a
 * value loses there it loses in the translation already, where verification sees it too.
 *
 * FLOAT keeps 32 bits, DATETIME without digits keeps seconds, and MySQL's own JSON keeps the document and not its text.
 */
export function fitTypes(tables: readonly TargetTable[]): FitType {
  const columns = new Map(
    tables.flatMap((table) => table.columns.map((column) => [`${table.name}.${column.name}`, column] as const)),
  );
  return ({ table, column }, type) => {
    const held = columns.get(`${table}.${column}`);
    if (held === undefined) return type;
    if (type === "double precision" && held.type === "float") return "real";
    if (type === "json" && held.type === "json") return "jsonb";
    const { fraction } = held;
    if (type.startsWith("timestamp ") && fraction !== undefined && fraction < 6)
      return type.replace("timestamp", `timestamp(${fraction})`);
    return type;
  };
}
