import type { ColumnFact, ForeignKeyFact, Schema, TableFact } from "../../domain/schema.ts";
import type { Row, Session } from "../../ports/database.ts";

const COLUMNS = `
  select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as notnull,
    pg_get_expr(d.adbin, d.adrelid) as default
  from pg_class c
  join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relkind in ('r', 'p') order by c.relname, a.attnum`;

const CONSTRAINTS = `
  select c.relname as table, o.conname as name, o.contype::text as kind, f.relname as ref, pg_get_constraintdef(o.oid) as definition,
    array(select a.attname::text from unnest(o.conkey) with ordinality k(n, i)
      join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.n order by k.i) as cols,
    array(select a.attname::text from unnest(o.confkey) with ordinality k(n, i)
      join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.n order by k.i) as refcols,
    o.confdeltype::text as on_delete, o.confupdtype::text as on_update
  from pg_constraint o
  join pg_class c on c.oid = o.conrelid
  join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
  left join pg_class f on f.oid = o.confrelid
  where o.contype in ('p', 'u', 'f', 'c') order by c.relname, o.conname`;

const INDEXES = `
  select c.relname as table, i.relname as name, pg_get_indexdef(x.indexrelid) as definition
  from pg_index x
  join pg_class c on c.oid = x.indrelid
  join pg_class i on i.oid = x.indexrelid
  join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
  where not exists (select 1 from pg_constraint o where o.conindid = x.indexrelid and o.contype in ('p', 'u'))
  order by c.relname, i.relname`;

const ENUMS = `
  select t.typname as type, array_agg(e.enumlabel::text order by e.enumsortorder) as labels
  from pg_type t join pg_enum e on e.enumtypid = t.oid group by t.typname order by t.typname`;

const SEQUENCES = `
  select q.relname as sequence, c.relname || '.' || a.attname as owner
  from pg_class q
  join pg_namespace s on s.oid = q.relnamespace and s.nspname = 'public'
  left join pg_depend d on d.objid = q.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  left join pg_class c on c.oid = d.refobjid
  left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
  where q.relkind = 'S' order by q.relname`;

/** pg_constraint.confdeltype / confupdtype, without NO ACTION. */
const ACTIONS: Readonly<Record<string, string>> = { r: "RESTRICT", c: "CASCADE", n: "SET NULL", d: "SET DEFAULT" };

interface ConstraintRow extends Row {
  readonly table: string;
  readonly name: string;
  readonly kind: "p" | "u" | "f" | "c";
  readonly ref: string | null;
  readonly definition: string;
  readonly cols: readonly string[];
  readonly refcols: readonly string[];
  readonly on_delete: string;
  readonly on_update: string;
}

function foreignKey(row: ConstraintRow): ForeignKeyFact {
  const [onDelete, onUpdate] = [ACTIONS[row.on_delete], ACTIONS[row.on_update]];
  return {
    cols: row.cols,
    ref: row.ref ?? "",
    refcols: row.refcols,
    ...(onDelete === undefined ? {} : { on_delete: onDelete }),
    ...(onUpdate === undefined ? {} : { on_update: onUpdate }),
  };
}

function byName<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function ifAny<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

function tableFact(
  columns: readonly ColumnFact[],
  constraints: readonly ConstraintRow[],
  indexes: readonly Row[],
): TableFact {
  const of = (kind: ConstraintRow["kind"]) => constraints.filter((each) => each.kind === kind);
  const primary = of("p")[0];
  // The tail after USING tells two definitions apart; the name is the key and the table is known.
  const index = indexes.map((row) => {
    const match = /^CREATE (UNIQUE )?INDEX .*? ON (?:ONLY )?\S+ USING (.*)$/s.exec(String(row["definition"]));
    return [String(row["name"]), `${match?.[1] ?? ""}${match?.[2] ?? ""}`] as const;
  });
  return {
    columns,
    ...(primary === undefined ? {} : { pk: primary.cols, pk_name: primary.name }),
    ...ifAny("unique", byName(of("u").map((each) => [each.name, each.cols] as const))),
    ...ifAny("fk", byName(of("f").map((each) => [each.name, foreignKey(each)] as const))),
    ...ifAny("check", byName(of("c").map((each) => [each.name, each.definition] as const))),
    ...ifAny("index", byName(index)),
  };
}

async function readHeads(session: Session, tables: readonly string[]): Promise<Schema["alembic"]> {
  const heads: Record<string, string | readonly string[]> = {};
  for (const table of tables.filter((name) => /^alembic_version(_[a-z0-9_]+)?$/.test(name))) {
    const rows = await session.query<{ v: string }>(`select version_num as v from "${table}" order by 1`);
    const only = rows.length === 1 ? rows[0] : undefined;
    heads[table] = only === undefined ? rows.map((row) => row.v) : only.v;
  }
  return heads;
}

/**
 * Reads the public schema of a metadata database: tables, columns, constraints, indexes, sequences and schema heads.
 *
 * Reads catalogue tables only, except for one row of each `alembic_version*` table. `release` is written into the result as it is.
 */
export async function readSchema(session: Session, release: string | null = null): Promise<Schema> {
  const columns = await session.query(COLUMNS);
  const constraints = await session.query<ConstraintRow>(CONSTRAINTS);
  const indexes = await session.query(INDEXES);
  const enums = await session.query<{ type: string; labels: readonly string[] }>(ENUMS);
  const sequences = await session.query<{ sequence: string; owner: string | null }>(SEQUENCES);
  const names = [...new Set(columns.map((row) => String(row["table"])))];
  const facts = names.map((table) => {
    const own = columns
      .filter((row) => row["table"] === table)
      .map(
        (row): ColumnFact => [
          String(row["column"]),
          String(row["type"]),
          row["notnull"] === true ? "notnull" : "null",
          row["default"] as string | null,
        ],
      );
    const of = <R extends Row>(rows: readonly R[]) => rows.filter((row) => row["table"] === table);
    return [table, tableFact(own, of(constraints), of(indexes))] as const;
  });
  return {
    airflow: release,
    alembic: await readHeads(session, names),
    enums: Object.fromEntries(enums.map((row) => [row.type, row.labels])),
    sequences: Object.fromEntries(sequences.map((row) => [row.sequence, row.owner])),
    tables: Object.fromEntries(facts),
  };
}
