import type { Entity } from "../domain/entity.ts";
import type { Schema } from "../domain/schema.ts";
import { columnOf, tableOf } from "./define-entity.ts";
import * as problems from "./problems.ts";
import { type ReleaseRow, releaseOfHead, releases } from "./releases.ts";

interface DetectOptions {
  readonly schema: Schema;
  readonly entities: readonly Entity[];
  /** `source` or `target`, and where it is: for messages. */
  readonly side: string;
  readonly where: string;
}

/** Columns that the entity files expect of a release and that are not there: the mark of an interrupted schema migration. */
export function missingColumns(schema: Schema, entities: readonly Entity[], row: ReleaseRow): readonly string[] {
  return entities.flatMap((entity) => {
    const { table, isOptional } = tableOf(entity, row.release) ?? {};
    if (table === undefined) return [];
    const fact = schema.tables[table];
    if (fact === undefined) return isOptional === true ? [] : [table];
    const present = new Set(fact.columns.map(([name]) => name));
    return Object.entries(entity.fields).flatMap(([name, field]) => {
      const column = columnOf(field, name, row.release);
      return column === undefined || present.has(column) ? [] : [`${table}.${column}`];
    });
  });
}

/**
 * The release of a metadata database, from its head and its columns.
 *
 * Throws DATABASE_NOT_INITIALISED, SCHEMA_HEAD_UNKNOWN or SCHEMA_HALF_MIGRATED.
 */
export function detectRelease({ schema, entities, side, where }: DetectOptions): ReleaseRow {
  const head = schema.alembic["alembic_version"];
  if (head === undefined || (typeof head !== "string" && head.length === 0)) {
    throw problems.databaseNotInitialised({ side, where });
  }
  if (typeof head !== "string") {
    throw problems.halfMigrated({
      side,
      where,
      heads: head.join(", "),
      differences: "it has several schema heads at once",
    });
  }
  const row = releaseOfHead(head);
  if (row === undefined) {
    const newest = releases.at(-1)?.schemas?.at(-1) ?? "";
    throw problems.headUnknown({ side, where, head, newest });
  }
  const missing = missingColumns(schema, entities, row);
  if (missing.length > 0) {
    const named = missing.slice(0, 8).join(", ");
    throw problems.halfMigrated({
      side,
      where,
      heads: head,
      differences: `these columns of ${row.release} are missing: ${named}`,
    });
  }
  return row;
}
