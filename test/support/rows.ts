import type { Schema } from "../../src/domain/schema.ts";
import { identifier } from "../../src/engine/translate/translate.ts";
import type { Session } from "../../src/ports/database.ts";

/** What a column gets that refuses NULL, has no default and is of no concern to the test, by the beginning of its type. */
const FILL: readonly (readonly [type: string, value: string])[] = [
  ["character varying", "x"],
  ["text", "x"],
  ["integer", "0"],
  ["bigint", "0"],
  ["double precision", "0"],
  ["boolean", "false"],
  ["json", "{}"],
  ["uuid", "00000000-0000-0000-0000-000000000000"],
  ["timestamp", "2000-01-01T00:00:00Z"],
];

/** Puts a row into a table of a recorded schema: the given values (undefined: left to its default), and a filling where a column refuses NULL. */
export async function insertRow(
  session: Session,
  { schema, table }: { readonly schema: Schema; readonly table: string },
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  const needed = (schema.tables[table]?.columns ?? [])
    .filter(([name, , nullability, preset]) => nullability === "notnull" && preset === null && !(name in values))
    .map(([name, type]) => [name, FILL.find(([start]) => type.startsWith(start))?.[1]] as const);
  const row = Object.entries({ ...Object.fromEntries(needed), ...values }).filter(([, value]) => value !== undefined);
  const columns = row.map(([name]) => identifier(name)).join(", ");
  const places = row.map((_, index) => `$${index + 1}`).join(", ");
  await session.query(
    `insert into ${identifier(table)} (${columns}) values (${places})`,
    row.map(([, value]) => value),
  );
}
