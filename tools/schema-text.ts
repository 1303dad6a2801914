import type { Schema, TableFact } from "../src/domain/schema.ts";

/**
 * A schema as the files in src/airflow/schemas/ hold it: JSON with a line for each column, constraint and index, keys in order, so that the
 * difference between two recordings is the difference between their databases.
 */
export function schemaText(schema: Schema): string {
  const tables = sorted(schema.tables).map(([name, table]) => `  ${JSON.stringify(name)}: ${tableText(table)}`);
  return [
    "{",
    ` "airflow": ${oneLine(schema.airflow)},`,
    ` "alembic": ${oneLine(Object.fromEntries(sorted(schema.alembic)))},`,
    ` "enums": ${oneLine(Object.fromEntries(sorted(schema.enums)))},`,
    ` "sequences": ${oneLine(Object.fromEntries(sorted(schema.sequences)))},`,
    ` "tables": {\n${tables.join(",\n")}`,
    " }",
    "}",
    "",
  ].join("\n");
}

function tableText(table: TableFact): string {
  const columns = table.columns.map((column) => `    ${oneLine(column)}`);
  const parts = [
    `   "columns": [\n${columns.join(",\n")}]`,
    ...(table.pk === undefined ? [] : [`   "pk": ${oneLine(table.pk)}`]),
    ...(table.pk_name === undefined ? [] : [`   "pk_name": ${oneLine(table.pk_name)}`]),
    ...(["unique", "fk", "check", "index"] as const).flatMap((kind) => mapText(kind, table[kind])),
  ];
  return `{\n${parts.join(",\n")}}`;
}

function mapText(kind: string, facts: Readonly<Record<string, unknown>> | undefined): readonly string[] {
  if (facts === undefined) return [];
  const lines = sorted(facts).map(([name, fact]) => `    ${JSON.stringify(name)}: ${oneLine(fact)}`);
  return [`   ${JSON.stringify(kind)}: {\n${lines.join(",\n")}}`];
}

/** By code unit: what a server's collation or the way to the schema made of the order does not show. */
function sorted<V>(record: Readonly<Record<string, V>>): readonly (readonly [string, V])[] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** JSON on one line, with a blank after commas and colons. */
function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${oneLine(field)}`);
  return `{${fields.join(", ")}}`;
}
