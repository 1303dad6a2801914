import type { Session } from "../../ports/database.ts";
import type { Translation } from "../translate/translate.ts";
import { copyTypesDiffer } from "./problems.ts";

/** The precision of a time is not part of a described type. */
const PRECISION = /^timestamp\(\d\)/;

/**
 * Compares the described types of a translation's SELECT with the target's columns, one by one. Binary COPY itself does not: a bigint
 * loads into a timestamp as a wrong date without an error. Throws COPY_TYPES_DIFFER.
 */
export async function assertSameTypes(source: Session, translation: Translation): Promise<void> {
  const described = await source.describe(translation.select());
  const differences = translation.columns.flatMap((column, index) => {
    const expected = (column.codecInput ?? column.type).replace(PRECISION, "timestamp");
    const found = described[index];
    if (found?.name === column.column && found.type === expected) return [];
    return [`${column.column} is ${found?.type ?? "missing"}, not ${expected}`];
  });
  if (described.length !== translation.columns.length)
    differences.push(`${described.length} columns, not ${translation.columns.length}`);
  if (differences.length > 0)
    throw copyTypesDiffer({ entity: translation.entity.title, differences: differences.join("; ") });
}
