import { columnOf, tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import { whyNotCopied } from "../../airflow/not-copied.ts";
import type { Entity } from "../../domain/entity.ts";
import { isInRange, type Release } from "../../domain/release.ts";
import { count, knownSchema, type Outcome, type SideCheck, type SideContext, someOf } from "./check.ts";

/** Columns of a table that a release is known to have, of all entities that are kept in it. */
function decidedColumns(kept: readonly Entity[], release: Release): ReadonlySet<string> {
  return new Set(
    kept.flatMap((entity) => [
      ...Object.entries(entity.fields).flatMap(([name, field]) => columnOf(field, name, release) ?? []),
      ...entity.unset.filter((each) => isInRange(release, each.in)).map((each) => each.column),
    ]),
  );
}

/** Tables and columns that no release known here has, and tables that an upgrade left behind. */
async function checkDifferences(context: SideContext): Promise<Outcome> {
  const { row, schema } = knownSchema(context);
  const { release } = row;
  const tables = Object.entries(schema.tables);
  const unknown: string[] = [];
  const leftOver: string[] = [];
  for (const [table, fact] of tables) {
    const kept = entities.filter((entity) => tableOf(entity, release)?.table === table);
    const why = whyNotCopied(table, release);
    if (why?.class === "left-over") leftOver.push(table);
    if (kept.length === 0 && why === undefined && !table.startsWith("alembic_version")) unknown.push(table);
    if (kept.length === 0) continue;
    const decided = decidedColumns(kept, release);
    unknown.push(...fact.columns.filter(([name]) => !decided.has(name)).map(([name]) => `${table}.${name}`));
  }
  const parts = [
    ...(leftOver.length === 0 ? [] : [`an upgrade left ${someOf(leftOver)} behind, which nothing uses`]),
    ...(unknown.length === 0
      ? []
      : [`not part of Airflow ${release} and not copied: ${count(unknown.length, "name")}: ${someOf(unknown)}`]),
  ];
  if (parts.length === 0) return { status: "ok", detail: `every table and column is as Airflow ${release} has it` };
  return { status: "note", detail: parts.join("; ") };
}

/** What the source will send, from the sizes of its tables: the target's free disk can not be asked for over SQL. */
async function checkSize(context: SideContext): Promise<Outcome> {
  const { release } = knownSchema(context).row;
  const tables = entities.flatMap((entity) => tableOf(entity, release)?.table ?? []);
  const [row] = await context.session.query<{ rows: string; total: string }>(
    `select pg_size_pretty(sum(pg_table_size(c.oid))) as rows, pg_size_pretty(sum(pg_total_relation_size(c.oid))) as total
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname = any($1)`,
    [tables],
  );
  return {
    status: "note",
    detail: `${row?.rows} of rows, ${row?.total} with indexes: the target's disk needs about as much free (its free room can not be asked for over SQL)`,
  };
}

/** What the schema's tables and columns say, beyond the release. */
export const schemaChecks: readonly SideCheck[] = [
  { id: "schema-differences", title: "Tables and columns", needsRelease: true, run: checkDifferences },
  { id: "size", ofServer: true, title: "Room on disk", on: "source", needsRelease: true, run: checkSize },
];
