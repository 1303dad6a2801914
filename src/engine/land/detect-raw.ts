import { detectRelease } from "../../airflow/detect-release.ts";
import { entities } from "../../airflow/entities/index.ts";
import type { Release } from "../../domain/release.ts";
import type { Schema } from "../../domain/schema.ts";
import type { RawReading, RawSource } from "../../ports/raw-source.ts";

async function readHeads(reading: RawReading): Promise<Schema["alembic"]> {
  const heads: Record<string, string | readonly string[]> = {};
  for (const table of reading.tables.filter(({ name }) => /^alembic_version(_[a-z0-9_]+)?$/.test(name))) {
    const at = table.columns.findIndex(({ name }) => name === "version_num");
    const found: string[] = [];
    for await (const batch of reading.rows(table)) {
      found.push(
        ...batch.map((row) => (row[at] instanceof Uint8Array ? Buffer.from(row[at]).toString() : String(row[at]))),
      );
    }
    const [only] = found;
    heads[table.name] = found.length === 1 && only !== undefined ? only : found.sort();
  }
  return heads;
}

/** Before a row is landed: what is no Airflow database, or one of an unknown release, is refused by its heads and columns. */
export async function detectRawRelease(
  reading: RawReading,
  source: RawSource,
  side: "source" | "target" = "source",
): Promise<Release> {
  const tables = reading.tables.map(({ name, columns }) => [
    name,
    { columns: columns.map((column) => [column.name, "", "null", null] as const) },
  ]);
  const alembic = await readHeads(reading);
  const schema: Schema = { airflow: null, alembic, enums: {}, sequences: {}, tables: Object.fromEntries(tables) };
  return detectRelease({ schema, entities, side, where: source.label }).release;
}
