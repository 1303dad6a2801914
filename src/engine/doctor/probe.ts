import { fernetKeyInvalid, parseFernetKeys } from "../../airflow/codecs/index.ts";
import { detectRelease } from "../../airflow/detect-release.ts";
import { entities } from "../../airflow/entities/index.ts";
import { isProblem } from "../../domain/problem.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Session } from "../../ports/database.ts";
import { readSchema } from "../probe/read-schema.ts";
import type { KeyState, Schemas, ServerFacts } from "./check.ts";

const SERVER = `
  select quote_ident(current_user) as role, quote_ident(current_database()) as database,
    (select rolsuper from pg_roles where rolname = current_user) as "isSuperuser",
    current_setting('server_version') as version, current_setting('server_version_num')::int as "versionNumber",
    pg_is_in_recovery() as "isStandby", current_setting('transaction_read_only') = 'on' as "isReadOnly",
    coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true) as "isLocal",
    (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl) as tls,
    pg_postmaster_start_time()::text as "startedAt",
    (select oid::text from pg_database where datname = current_database()) as "databaseOid",
    has_function_privilege('pg_control_system()', 'EXECUTE') as "maySeeSystem"`;

type ServerRow = Omit<ServerFacts, "clockAheadMs" | "clockErrorMs" | "systemIdentifier" | "tls"> & {
  readonly tls: string | null;
  readonly maySeeSystem: boolean;
};

/** Reads the facts of the server and of the session's role. */
export async function readServer(session: Session, now: () => Date): Promise<ServerFacts> {
  const [row] = await session.query<ServerRow & Record<string, unknown>>(SERVER);
  if (row === undefined) throw new Error("the server gave no row for a SELECT without FROM");
  const { maySeeSystem, tls, ...facts } = row;
  const [system] = maySeeSystem
    ? await session.query<{ id: string }>("select system_identifier::text as id from pg_control_system()")
    : [];
  return { ...facts, tls: tls ?? undefined, systemIdentifier: system?.id, ...(await readClock(session, now)) };
}

/** The answer was written somewhere between question and arrival: half of that time is the error. */
async function readClock(
  session: Session,
  now: () => Date,
): Promise<Pick<ServerFacts, "clockAheadMs" | "clockErrorMs">> {
  const asked = now().getTime();
  const [row] = await session.query<{ at: string }>(
    "select (extract(epoch from clock_timestamp()) * 1000)::float8 as at",
  );
  const error = (now().getTime() - asked) / 2;
  return { clockAheadMs: Number(row?.at) - asked - error, clockErrorMs: error };
}

/** Without USAGE on its schema a table looks as if it did not exist. */
const CLOSED = `
  select not has_schema_privilege('public', 'USAGE') or exists (
    select 1 from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    and c.relname like 'alembic\\_version%' and not has_table_privilege(c.oid, 'SELECT')) as closed`;

/** The release and schema of a side; problems that say why it is not known become data. */
export async function readSchemas(
  session: Session,
  { side, where }: { readonly side: string; readonly where: string },
): Promise<Schemas> {
  const [row] = await session.query<{ closed: boolean }>(CLOSED);
  if (row?.closed === true) return { kind: "closed" };
  const schema = await readSchema(session);
  try {
    return { kind: "known", row: detectRelease({ schema, entities, side, where }), schema };
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { kind: "unknown", report: error.report };
  }
}

/** Parses a key setting; FERNET_KEY_INVALID becomes data. */
export function readKey(setting: Secret | undefined): KeyState {
  if (setting === undefined) return { kind: "none" };
  try {
    return { kind: "keys", keys: parseFernetKeys(setting) };
  } catch (error) {
    if (!isProblem(error) || error.code !== fernetKeyInvalid.kind.code) throw error;
    return { kind: "invalid", report: error.report };
  }
}
