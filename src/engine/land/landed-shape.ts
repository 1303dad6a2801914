import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { columnOf, tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import { recordedReleases } from "../../airflow/releases.ts";
import { compareReleases, type Release } from "../../domain/release.ts";
import { columnType, type Schema } from "../../domain/schema.ts";
import type { RawTable } from "../../ports/raw-source.ts";
import { isWritable } from "./encode.ts";

const SCHEMAS = join(import.meta.dirname, "../../airflow/schemas");

/** A table as it is landed: the source's columns with the types that Airflow's own Postgres schema gives them. */
export interface LandedShape {
  readonly raw: RawTable;
  /** In the order of the raw columns. */
  readonly types: readonly string[];
  /** Columns that name a row to people. */
  readonly label: readonly string[];
}

/** Recorded schemas, those nearest to a release first. */
export type NearbySchemas = readonly Schema[];

/**
 * Reads the recorded schemas in the order in which they are asked about a column: the release's own; where it has none, the next newer one,
 * because its columns are those of the release and more; then older ones.
 */
export async function schemasNear(release: Release): Promise<NearbySchemas> {
  const newer = recordedReleases.filter((each) => compareReleases(each, release) >= 0);
  const older = recordedReleases.filter((each) => compareReleases(each, release) < 0).toReversed();
  return await Promise.all(
    [...newer, ...older].map(
      async (each) => JSON.parse(await readFile(join(SCHEMAS, `${each}.json`), "utf8")) as Schema,
    ),
  );
}

/** Narrows the type that Airflow's own Postgres schema has to what the database really holds. */
export type FitType = (place: { readonly table: string; readonly column: string }, type: string) => string;

/**
 * The types of a raw table's columns. A column that no recorded release has (added by hand, an extension's table) is kept as text or bytes,
 * as it is declared.
 */
export function landedShape(
  raw: RawTable,
  schemas: NearbySchemas,
  { release, fit = (_place, type) => type }: { readonly release: Release; readonly fit?: FitType | undefined },
): LandedShape {
  const types = raw.columns.map((column) => {
    for (const schema of schemas) {
      const type = columnType(schema, raw.name, column.name);
      if (type !== undefined && isWritable(type)) return fit({ table: raw.name, column: column.name }, type);
    }
    return column.isBinary ? "bytea" : "text";
  });
  return { raw, types, label: labelOf(raw, release) };
}

/** What the entity that is kept in a table calls its rows by; elsewhere the primary key. */
function labelOf({ name, columns, key }: RawTable, release: Release): readonly string[] {
  const entity = entities.find((each) => tableOf(each, release)?.table === name);
  const fields = entity?.label ?? entity?.key ?? [];
  const named = fields.flatMap((field) => {
    const life = entity?.fields[field];
    return life === undefined ? [] : (columnOf(life, field, release) ?? []);
  });
  const isThere = named.length > 0 && named.every((column) => columns.some((each) => each.name === column));
  return isThere ? named : key;
}
