import type { ColumnFact, Schema } from "../../domain/schema.ts";
import type { Session } from "../../ports/database.ts";
import type { TargetTable } from "../../ports/raw-target.ts";
import { literal } from "../select/filters.ts";
import { identifier } from "../translate/translate.ts";

async function tablesWithoutKeys(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ name: string }>(
    `select c.relname as name from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
     and not exists (select from pg_constraint o where o.conrelid = c.oid and o.contype = 'p')`,
  );
  return new Set(rows.map((row) => row.name));
}

async function numberRows(session: Session, table: TargetTable): Promise<void> {
  if (table.numbers === undefined) return;
  const { column, next } = table.numbers;
  const name = identifier(table.name);
  const sequence = `public.${identifier(`${table.name}_${column}_seq`)}`;
  await session.query(`create sequence ${sequence}`);
  await session.query(
    `alter table public.${name} alter column ${identifier(column)} set default nextval(${literal(sequence)})`,
  );
  await session.query(`alter sequence ${sequence} owned by public.${name}.${identifier(column)}`);
  await session.query(`select setval(${literal(sequence)}, ${next}, false)`);
}

function defaultOf(columns: readonly ColumnFact[], name: string): string | undefined {
  const found = columns.find(([column]) => column === name)?.[3];
  return found == null || found.includes("nextval(") ? undefined : found;
}

/**
 * Gives landed tables what they need to be written to as a target: primary and unique keys as the target has them, NOT NULL, the defaults
 * of Airflow's own Postgres schema, and sequences that go on behind the target's numbers. Tables that have it already are left alone.
 */
export async function addStructure(session: Session, tables: readonly TargetTable[], schema: Schema): Promise<void> {
  const bare = await tablesWithoutKeys(session);
  for (const table of tables) {
    if (!bare.has(table.name) || table.key.length === 0) continue;
    const list = (columns: readonly string[]) => columns.map(identifier).join(", ");
    const known = schema.tables[table.name]?.columns ?? [];
    const parts = [
      `add primary key (${list(table.key)})`,
      ...table.uniques.map((unique) => `add unique (${list(unique.columns)})`),
      ...table.columns.flatMap(({ name, isRequired }) => {
        const value = defaultOf(known, name);
        const column = `alter column ${identifier(name)}`;
        return [
          ...(isRequired ? [`${column} set not null`] : []),
          ...(value === undefined ? [] : [`${column} set default ${value}`]),
        ];
      }),
    ];
    await session.query(`alter table public.${identifier(table.name)} ${parts.join(", ")}`);
    await numberRows(session, table);
  }
}
