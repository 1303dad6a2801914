import { tableOf } from "../../airflow/define-entity.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import { isInRange } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import type { ProbedSide } from "../probe/probe-side.ts";
import type { Translation } from "../translate/translate.ts";
import { enumerate, subjectsOf } from "./plan-job.ts";

/** What a plan would read and write. */
export interface RightsJob {
  readonly source: ProbedSide;
  readonly target: ProbedSide;
  readonly selected: readonly Entity[];
  readonly translations: ReadonlyMap<string, Translation>;
  readonly dagRun: Translation;
}

type Kind = "TABLE" | "SEQUENCE" | "SCHEMA" | "DATABASE";

/** One object that a role needs, with the rights on it. */
interface Needed {
  readonly kind: Kind;
  readonly name: string;
  readonly rights: readonly string[];
}

interface Missing extends Record<string, unknown> {
  readonly kind: Kind;
  /** As SQL wants it. */
  readonly name: string;
  readonly rights: readonly string[];
}

const MISSING = `
  with needed as (select * from jsonb_to_recordset($1::jsonb) n(kind text, name text, rights text[]))
  select kind, case when kind in ('TABLE', 'SEQUENCE') then format('%I.%I', coalesce(s.nspname, 'public'), n.name)
      else quote_ident(n.name) end as name, array_agg(r.name order by r.rank) as rights
  from needed n cross join unnest(n.rights) with ordinality r(name, rank)
  left join pg_class c on n.kind in ('TABLE', 'SEQUENCE') and c.relname = n.name and c.relnamespace = 'public'::regnamespace
  left join pg_namespace s on s.oid = c.relnamespace
  where case n.kind
    when 'TABLE' then c.oid is not null and not has_table_privilege(c.oid, r.name)
    when 'SEQUENCE' then c.relkind = 'S' and not has_sequence_privilege(c.oid, r.name)
    when 'SCHEMA' then to_regnamespace(quote_ident(n.name)) is not null and not has_schema_privilege(n.name, r.name)
    else not has_database_privilege(n.name, r.name) end
  group by 1, 2 order by 1 desc, 2`;

/** Names behind FROM and JOIN: every table that a statement of ours reads. */
function tablesIn(sql: string): readonly string[] {
  return [...sql.matchAll(/\b(?:from|join)\s+"?([a-z_][a-z0-9_]*)"?/gi)].map((match) => match[1] as string);
}

function ofTables(names: Iterable<string>, side: ProbedSide, rights: readonly string[]): readonly Needed[] {
  return [...new Set(names)]
    .filter((name) => side.side.schema.tables[name] !== undefined)
    .map((name) => ({ kind: "TABLE", name, rights }));
}

function neededOnSource({ source, selected, translations, dagRun }: RightsJob): readonly Needed[] {
  const { release } = source.side;
  const statements = [dagRun, ...translations.values()].map((translation) => translation.select());
  const names = [
    "dag",
    ...statements.flatMap(tablesIn),
    ...selected.flatMap((entity) => tableOf(entity, release)?.table ?? []),
  ];
  return [{ kind: "SCHEMA", name: "public", rights: ["USAGE"] }, ...ofTables(names, source, ["SELECT"])];
}

function neededOnTarget({ target, translations }: RightsJob, database: string): readonly Needed[] {
  const { release, schema } = target.side;
  const prepared = [...translations.values()]
    .flatMap(({ entity }) => entity.prepare ?? [])
    .filter((each) => isInRange(release, each.in))
    .flatMap((each) => /insert into (\w+)/.exec(each.sql)?.[1] ?? []);
  const read = [...translations.values()].flatMap(({ onTarget }) =>
    onTarget.flatMap((each) => tablesIn(each.expression)),
  );
  const written = new Set([...[...translations.values()].map((each) => each.targetTable), ...prepared]);
  const kept = new Set(
    [...translations.values()]
      .filter(({ entity }) => entity.serial?.rule === "kept")
      .map((translation) => translation.targetTable),
  );
  const asked = [...translations.values()].flatMap(({ sequence }) => sequence ?? []);
  const sequences = Object.entries(schema.sequences).flatMap(([sequence, owner]) => {
    const table = (owner ?? "").split(".")[0] ?? "";
    if (!written.has(table) || asked.includes(sequence)) return [];
    const rights = kept.has(table) ? ["USAGE", "SELECT", "UPDATE"] : ["USAGE"];
    return [{ kind: "SEQUENCE", name: sequence, rights } as const];
  });
  return [
    { kind: "SCHEMA", name: "public", rights: ["USAGE"] },
    ...asked.map((name) => ({ kind: "SEQUENCE", name, rights: ["USAGE", "SELECT", "UPDATE"] }) as const),
    ...ofTables(
      ["dag", ...read].filter((name) => !written.has(name)),
      target,
      ["SELECT"],
    ),
    ...ofTables(written, target, ["SELECT", "INSERT", "UPDATE"]),
    ...sequences,
    { kind: "DATABASE", name: database, rights: ["CREATE", "TEMPORARY"] },
    { kind: "SCHEMA", name: "crosswind", rights: ["USAGE", "CREATE"] },
  ];
}

function grantOf(rows: readonly Missing[], role: string): readonly string[] {
  const groups = Map.groupBy(rows, (row) => `${row.rights.join(", ")} ON ${row.kind}`);
  return [...groups].map(([head, group]) => `GRANT ${head} ${group.map((row) => row.name).join(", ")} TO ${role};`);
}

async function findMissing(session: Session, needed: readonly Needed[], side: string): Promise<readonly Finding[]> {
  const rows = await session.query<Missing>(MISSING, [JSON.stringify(needed)]);
  if (rows.length === 0) return [];
  const [who] = await session.query<{ role: string }>("select quote_ident(current_user) as role");
  const named = rows.map((row) => `${row.rights.join(", ")} on ${row.kind.toLowerCase()} ${row.name}`);
  return [
    {
      code: "ROLE_LACKS_RIGHTS",
      severity: "blocker",
      what: `the role ${who?.role} lacks rights on ${rows.length} objects of the ${side}: ${enumerate(named, 20)}`,
      next: ["let their owner or a superuser run:", ...grantOf(rows, who?.role ?? "ROLE")],
      ...subjectsOf(rows.map((row) => row.name)),
    },
  ];
}

/** Every right that a copy would miss, on both sides at once, with the statements that give them. */
export async function checkRights(
  job: RightsJob,
  sessions: { readonly source: Session; readonly target: Session },
): Promise<readonly Finding[]> {
  const [here] = await sessions.target.query<{ name: string }>("select current_database() as name");
  return [
    ...(await findMissing(sessions.source, neededOnSource(job), "source")),
    ...(await findMissing(sessions.target, neededOnTarget(job, here?.name ?? ""), "target")),
  ];
}
