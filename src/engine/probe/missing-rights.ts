import type { Session } from "../../ports/database.ts";

type Kind = "TABLE" | "SEQUENCE" | "SCHEMA" | "DATABASE";

/** One object that a role needs, with the rights on it. What is not there is not missed. */
export interface Needed {
  readonly kind: Kind;
  /** As the catalogue has it, without quotes. */
  readonly name: string;
  readonly rights: readonly string[];
  /** Of tables and sequences. Default: public. */
  readonly schema?: string;
  /** What it is needed for, where that is not obvious. */
  readonly why?: string;
}

interface MissingRow extends Record<string, unknown> {
  readonly kind: Kind;
  /** As SQL wants it. */
  readonly name: string;
  readonly rights: readonly string[];
  readonly why: string | null;
}

/** Rights that objects of one kind lack alike. */
export interface MissingRights {
  /** As SQL wants them: `public.dag_run`. */
  readonly names: readonly string[];
  /** `SELECT on 3 tables (public.dag, public.log, public.xcom)`. */
  readonly what: string;
  /** The statement that gives them. */
  readonly grant: string;
}

const MISSING = `
  with needed as (
    select n.kind, coalesce(n.schema, 'public') as schema, n.name, n.rights, n.why, n.at
    from jsonb_to_recordset($1::jsonb) n(kind text, schema text, name text, rights text[], why text, at int)),
  relations as (select c.oid, c.relname, c.relkind, s.nspname from pg_class c join pg_namespace s on s.oid = c.relnamespace)
  select n.kind, n.why, case when n.kind in ('TABLE', 'SEQUENCE') then format('%I.%I', n.schema, n.name) else quote_ident(n.name) end as name,
    array_agg(r.name order by r.rank) as rights
  from needed n cross join unnest(n.rights) with ordinality r(name, rank)
  left join relations c on n.kind in ('TABLE', 'SEQUENCE') and c.relname = n.name and c.nspname = n.schema
  where case n.kind
    when 'TABLE' then c.relkind in ('r', 'p') and not has_table_privilege(c.oid, r.name)
    when 'SEQUENCE' then c.relkind = 'S' and not has_sequence_privilege(c.oid, r.name)
    when 'SCHEMA' then to_regnamespace(quote_ident(n.name)) is not null and not has_schema_privilege(n.name, r.name)
    else not has_database_privilege(n.name, r.name) end
  group by n.at, 1, 2, 3 order by n.at`;

/** Names in a sentence, at most. */
const MOST_NAMED = 6;

function inWords([first, ...others]: readonly MissingRow[]): string {
  if (first === undefined) return "";
  const kind = first.kind.toLowerCase();
  if (others.length === 0 && (first.kind === "SCHEMA" || first.kind === "DATABASE")) return `the ${kind} ${first.name}`;
  const names = [first, ...others].map(({ name }) => name);
  const rest = names.length - MOST_NAMED;
  const some = rest > 0 ? `${names.slice(0, MOST_NAMED).join(", ")} and ${rest} more` : names.join(", ");
  return `${names.length} ${kind}${others.length === 0 ? "" : "s"} (${some})`;
}

/** What the session's role lacks of what is needed: objects that lack the same share a statement. `role`: quoted, as SQL wants it. */
export async function readMissingRights(
  session: Session,
  needed: readonly Needed[],
  role: string,
): Promise<readonly MissingRights[]> {
  const rows = await session.query<MissingRow>(MISSING, [JSON.stringify(needed.map((each, at) => ({ ...each, at })))]);
  const groups = Map.groupBy(rows, ({ kind, rights, why }) => JSON.stringify([kind, rights, why]));
  return [...groups.values()].map((group) => {
    const [{ kind, rights, why } = { kind: "TABLE", rights: [], why: null }] = group;
    const names = group.map(({ name }) => name);
    return {
      names,
      what: `${rights.join(", ")} on ${inWords(group)}${why === null ? "" : ` (${why})`}`,
      grant: `GRANT ${rights.join(", ")} ON ${kind} ${names.join(", ")} TO ${role};`,
    };
  });
}

/** What a target's role needs besides Airflow's own tables. `database`: as the catalogue has it. */
export function neededForLedger(database: string): readonly Needed[] {
  return [
    { kind: "DATABASE", name: database, rights: ["CREATE"], why: "for the schema crosswind, which holds the ledger" },
    {
      kind: "DATABASE",
      name: database,
      rights: ["TEMPORARY"],
      why: "for temporary tables, which rows are merged from",
    },
    { kind: "SCHEMA", name: "crosswind", rights: ["USAGE", "CREATE"], why: "the ledger" },
  ];
}
