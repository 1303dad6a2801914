import { tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import { isInRange } from "../../domain/release.ts";
import { type Needed, neededForLedger, readMissingRights } from "../probe/missing-rights.ts";
import { count, type Outcome, type SideCheck, type SideContext } from "./check.ts";

const TABLE_RIGHTS = { source: ["SELECT"], target: ["SELECT", "INSERT", "UPDATE"] } as const;
const SEQUENCE_RIGHTS = ["USAGE", "SELECT", "UPDATE"] as const;
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

interface Named extends Record<string, unknown> {
  readonly name: string;
}

const HEADS = `
  select relname as name from pg_class
  where relnamespace = 'public'::regnamespace and relname like 'alembic\\_version%' and relkind = 'r'`;

/** By the defaults that use them: an upgraded database keeps the names of older releases. */
const SEQUENCES = `
  select distinct q.relname as name from pg_class q
  join pg_depend d on d.refobjid = q.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_attrdef'::regclass
  join pg_attrdef a on a.oid = d.objid
  join pg_class c on c.oid = a.adrelid and c.relnamespace = 'public'::regnamespace
  where q.relkind = 'S' and q.relnamespace = 'public'::regnamespace and c.relname = any($1) order by 1`;

/** A ledger that another role made is there, but may be closed to this one. */
const LEDGER = "select tablename as name from pg_tables where schemaname = 'crosswind' order by 1";

async function neededOf(context: SideContext): Promise<readonly Needed[]> {
  const { session, side } = context;
  const tables = neededTables(context);
  const heads = await session.query<Named>(HEADS);
  const read: readonly Needed[] = [
    { kind: "SCHEMA", name: "public", rights: ["USAGE"] },
    ...heads.map(({ name }) => ({ kind: "TABLE", name, rights: ["SELECT"] }) as const),
    ...tables.toSorted().map((name) => ({ kind: "TABLE", name, rights: TABLE_RIGHTS[side] }) as const),
  ];
  if (side === "source") return read;
  const sequences = await session.query<Named>(SEQUENCES, [tables]);
  const ledger = await session.query<Named>(LEDGER);
  const [here] = await session.query<Named>("select current_database() as name");
  return [
    ...read,
    ...sequences.map(({ name }) => ({ kind: "SEQUENCE", name, rights: SEQUENCE_RIGHTS }) as const),
    ...neededForLedger(here?.name ?? ""),
    ...ledger.map(({ name }) => ({ kind: "TABLE", schema: "crosswind", name, rights: LEDGER_RIGHTS }) as const),
  ];
}

async function checkRights(context: SideContext): Promise<Outcome> {
  const missing = await readMissingRights(context.session, await neededOf(context), context.server.role);
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
