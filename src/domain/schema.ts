/** A column as Postgres describes it: name, type with its modifier, whether NULL is refused, default expression. */
export type ColumnFact = readonly [
  name: string,
  type: string,
  nullability: "null" | "notnull",
  defaultValue: string | null,
];

/** A foreign key: own columns, referenced table and columns, and the actions that are not NO ACTION. */
export interface ForeignKeyFact {
  readonly cols: readonly string[];
  readonly ref: string;
  readonly refcols: readonly string[];
  readonly on_delete?: string;
  readonly on_update?: string;
}

/** One table of a schema. Maps are by constraint or index name; `index` values are the tail of the definition. */
export interface TableFact {
  readonly columns: readonly ColumnFact[];
  readonly pk?: readonly string[];
  readonly pk_name?: string;
  readonly unique?: Readonly<Record<string, readonly string[]>>;
  readonly fk?: Readonly<Record<string, ForeignKeyFact>>;
  readonly check?: Readonly<Record<string, string>>;
  readonly index?: Readonly<Record<string, string>>;
}

/**
 * A metadata database's schema: what a schema file records and what a probe of a live database returns.
 *
 * `alembic` maps a version table to its head (several heads: a list, which only a half-migrated database has);
 * `sequences` maps a sequence to the `table.column` that owns it, or null for a free-standing one.
 */
export interface Schema {
  readonly airflow: string | null;
  readonly alembic: Readonly<Record<string, string | readonly string[]>>;
  readonly enums: Readonly<Record<string, readonly string[]>>;
  readonly sequences: Readonly<Record<string, string | null>>;
  readonly tables: Readonly<Record<string, TableFact>>;
}

/** The column's type in a table, or undefined where there is no such table or column. */
export function columnType(schema: Schema, table: string, column: string): string | undefined {
  return schema.tables[table]?.columns.find(([name]) => name === column)?.[1];
}
