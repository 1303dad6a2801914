import type { ColumnFact, Schema } from "../../src/domain/schema.ts";
import { identifier } from "../../src/engine/translate/translate.ts";

/**
 * Statements that make a recorded schema's tables with their types, defaults and NOT NULLs: enough to check statements against and to put
 * single rows in. Without keys, indexes and foreign keys, so that a test needs only the rows that it is about.
 */
export function schemaDdl(schema: Schema): string {
  const enums = Object.entries(schema.enums).map(
    ([name, labels]) =>
      `create type ${identifier(name)} as enum (${labels.map((label) => `'${label.replaceAll("'", "''")}'`).join(", ")})`,
  );
  const sequences = Object.keys(schema.sequences).map((name) => `create sequence ${identifier(name)}`);
  const tables = Object.entries(schema.tables).map(
    ([name, table]) => `create table ${identifier(name)} (${table.columns.map(columnDdl).join(", ")})`,
  );
  return [...enums, ...sequences, ...tables].join(";\n");
}

function columnDdl([name, type, nullability, preset]: ColumnFact): string {
  const defaultClause = preset === null ? "" : ` default ${preset}`;
  return `${identifier(name)} ${type}${defaultClause}${nullability === "notnull" ? " not null" : ""}`;
}
