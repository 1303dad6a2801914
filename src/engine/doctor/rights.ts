import { tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import { isInRange } from "../../domain/release.ts";
import { count, type Outcome, type SideCheck, type SideContext, someOf } from "./check.ts";

/** What is missing, in words, and the statement that gives it. */
interface Missing {
  readonly what: string;
  readonly grant: string;
}

const TABLE_RIGHTS = { source: ["SELECT"], target: ["SELECT", "INSERT", "UPDATE"] } as const;
const SEQUENCE_RIGHTS = ["SELECT", "USAGE", "UPDATE"] as const;
const LEDGER_RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"] as const;

/** Tables that a copy reads or writes on this side: of the release, or of all releases where it is not known. */
function neededTables({ schemas }: SideContext): readonly string[] {
  if (schemas.kind !== "known") {
    return [...new Set(entities.flatMap((entity) => entity.tables.map((each) => each.table)))];
  }
  const { release } = schemas.row;
  const prepared = entities
    .flatMap((entity) => entity.prepare ?? [])
    .filter((each) => isInRange(release, each.in))
    .flatMap((each) => /insert into (\w+)/.exec(each.sql)?.[1] ?? []);
  return [...new Set([...entities.flatMap((entity) => tableOf(entity, release)?.table ?? []), ...prepared])];
}

interface MissingRow {
  readonly name: string;
  readonly missing: readonly string[];
}

/** Objects that miss the same rights share a statement. */
function grants(kind: "TABLE" | "SEQUENCE", rows: readonly MissingRow[], role: string): readonly Missing[] {
  const groups = Map.groupBy(rows, (row) => row.missing.join(", "));
  return [...groups].map(([rights, group]) => ({
    what: `${rights} on ${count(group.length, kind.toLowerCase())} (${someOf(
      group.map((row) => row.name),
      6,
    )})`,
    grant: `GRANT ${rights} ON ${kind} ${group.map((row) => row.name).join(", ")} TO ${role};`,
  }));
}

const TABLES = `
  select n.nspname || '.' || quote_ident(c.relname) as name,
    array(select p from unnest($2::text[]) p where not has_table_privilege(c.oid, p)) as missing
  from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
  where c.relkind in ('r', 'p') and c.relname = any($1)
  and exists (select 1 from unnest($2::text[]) p where not has_table_privilege(c.oid, p)) order by c.relname`;

/** Sequences by the defaults that use them: an upgraded database keeps the names of older releases. */
const SEQUENCES = `
  select distinct n.nspname || '.' || quote_ident(q.relname) as name,
    array(select p from unnest($2::text[]) p where not has_sequence_privilege(q.oid, p)) as missing
  from pg_class q join pg_namespace n on n.oid = q.relnamespace
  join pg_depend d on d.refobjid = q.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_attrdef'::regclass
  join pg_attrdef a on a.oid = d.objid
  join pg_class c on c.oid = a.adrelid and c.relnamespace = 'public'::regnamespace
  where q.relkind = 'S' and c.relname = any($1)
  and exists (select 1 from unnest($2::text[]) p where not has_sequence_privilege(q.oid, p)) order by 1`;

async function missingOnTables(context: SideContext): Promise<readonly Missing[]> {
  const { session, server, side } = context;
  const [schema] = await session.query<{ usage: boolean }>("select has_schema_privilege('public', 'USAGE') as usage");
  const usage: readonly Missing[] =
    schema?.usage === true
      ? []
      : [{ what: "USAGE on the schema public", grant: `GRANT USAGE ON SCHEMA public TO ${server.role};` }];
  const heads = await session.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relname like 'alembic\\_version%' and relkind = 'r'",
  );
  const read = await session.query<MissingRow & Record<string, unknown>>(TABLES, [
    heads.map((row) => row.name),
    ["SELECT"],
  ]);
  const tables = await session.query<MissingRow & Record<string, unknown>>(TABLES, [
    neededTables(context),
    TABLE_RIGHTS[side],
  ]);
  return [...usage, ...grants("TABLE", [...read, ...tables], server.role)];
}

async function missingOnTarget(context: SideContext): Promise<readonly Missing[]> {
  const { session, server } = context;
  const sequences = await session.query<MissingRow & Record<string, unknown>>(SEQUENCES, [
    neededTables(context),
    SEQUENCE_RIGHTS,
  ]);
  const [row] = await session.query<{ temporary: boolean; create: boolean }>(
    `select has_database_privilege(current_database(), 'TEMP') as temporary,
       has_database_privilege(current_database(), 'CREATE') as create`,
  );
  const onDatabase = [
    ...(row?.create === true ? [] : [["CREATE", "for the schema crosswind, which holds the ledger"] as const]),
    ...(row?.temporary === true ? [] : [["TEMPORARY", "for temporary tables, which rows are merged from"] as const]),
  ];
  return [
    ...grants("SEQUENCE", sequences, server.role),
    ...onDatabase.map(([right, why]) => ({
      what: `${right} on the database ${server.database} (${why})`,
      grant: `GRANT ${right} ON DATABASE ${server.database} TO ${server.role};`,
    })),
    ...(await missingOnLedger(context)),
  ];
}

/** A ledger that another role made is there, but closed to this one. */
async function missingOnLedger({ session, server }: SideContext): Promise<readonly Missing[]> {
  const [ledger] = await session.query<{ open: boolean }>(
    "select has_schema_privilege(oid, 'USAGE') and has_schema_privilege(oid, 'CREATE') as open from pg_namespace where nspname = 'crosswind'",
  );
  if (ledger === undefined) return [];
  const schema: readonly Missing[] = ledger.open
    ? []
    : [
        {
          what: "USAGE and CREATE on the schema crosswind (the ledger)",
          grant: `GRANT USAGE, CREATE ON SCHEMA crosswind TO ${server.role};`,
        },
      ];
  const tables = await session.query<MissingRow & Record<string, unknown>>(
    TABLES.replace("'public'", "'crosswind'").replace("c.relname = any($1)", "cardinality($1::text[]) = 0"),
    [[], LEDGER_RIGHTS],
  );
  return [...schema, ...grants("TABLE", tables, server.role)];
}

async function checkRights(context: SideContext): Promise<Outcome> {
  const missing = [
    ...(await missingOnTables(context)),
    ...(context.side === "target" ? await missingOnTarget(context) : []),
  ];
  if (missing.length === 0) {
    const what = context.side === "source" ? "may read every table" : "may read and write every table";
    return { status: "ok", detail: `${context.server.role} ${what} that is needed` };
  }
  return {
    status: "blocker",
    detail: `${context.server.role} lacks ${missing.map((each) => each.what).join("; ")}. The tables' owner or a superuser can grant it`,
    next: missing.map((each) => each.grant),
  };
}

/** Only an owner may drop an index, and put it back. */
async function checkOwnership(context: SideContext): Promise<Outcome> {
  const rows = await context.session.query<{ name: string; owner: string }>(
    `select c.relname as name, quote_ident(r.rolname) as owner from pg_class c join pg_roles r on r.oid = c.relowner
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname = any($1)
     and not pg_has_role(c.relowner, 'USAGE') order by 1`,
    [neededTables(context)],
  );
  const { role } = context.server;
  if (rows.length === 0) return { status: "ok", detail: `${role} owns the tables: indexes may come off while loading` };
  const owners = [...new Set(rows.map((row) => row.owner))];
  return {
    status: "note",
    detail: `${role} does not own ${count(rows.length, "table")}: indexes stay on, which makes a large load about half as fast`,
    next: owners.map((owner) => `GRANT ${owner} TO ${role};`),
  };
}

/** What the role may do; every missing right comes with the statement that gives it. */
export const rightsChecks: readonly SideCheck[] = [
  { id: "rights", ofServer: true, title: "Rights", run: checkRights },
  { id: "ownership", title: "Ownership of tables", on: "target", needsRelease: true, run: checkOwnership },
];
