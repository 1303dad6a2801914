import { createHash } from "node:crypto";
import { detectRelease } from "../../airflow/detect-release.ts";
import { describeRelease } from "../../airflow/releases.ts";
import type { Entity } from "../../domain/entity.ts";
import type { PlannedSide } from "../../domain/plan.ts";
import type { Schema } from "../../domain/schema.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Database, Session } from "../../ports/database.ts";
import type { Side } from "../translate/translate.ts";
import { readSchema } from "./read-schema.ts";

/** A side as it was probed: what translations need, and what a plan is bound to. */
export interface ProbedSide {
  readonly side: Side;
  readonly facts: PlannedSide;
}

interface ProbeOptions {
  readonly name: "source" | "target";
  readonly entities: readonly Entity[];
  readonly keys: Secret | undefined;
}

/** One digest of all column names and types: upgraded databases differ from fresh ones at the same head. */
function columnsDigest(schema: Schema): string {
  const columns = Object.entries(schema.tables).map(([table, fact]) => [
    table,
    fact.columns.map(([name, type]) => [name, type]),
  ]);
  return createHash("sha256").update(JSON.stringify(columns)).digest("hex").slice(0, 16);
}

/** A digest that tells keys apart and gives none away: Fernet keys are 256 random bits. */
function keysDigest(keys: Secret): string {
  return createHash("sha256").update(`crosswind plan key ${keys.reveal().trim()}`).digest("hex").slice(0, 16);
}

async function readIdentity(session: Session): Promise<string> {
  const [row] = await session.query<{ oid: string }>(
    "select oid::text from pg_database where datname = current_database()",
  );
  const system = await session
    .query<{ id: string }>("select system_identifier::text as id from pg_control_system()")
    // Some managed servers refuse it: the data directory's start and address tell two servers apart as well.
    .catch(() =>
      session.query<{ id: string }>(
        "select coalesce(inet_server_addr()::text, 'local') || ':' || coalesce(inet_server_port()::text, '') as id",
      ),
    );
  return `${system[0]?.id ?? ""}/${row?.oid ?? ""}`;
}

/** Which database this is, wherever it is reached: the same as that of a plan's side. */
export async function identityOf(database: Database): Promise<string> {
  if (database.landed !== undefined) return database.landed.identity;
  await using session = await database.session();
  return await readIdentity(session);
}

/**
 * Probes one side: connects, reads its schema, detects its release.
 *
 * Throws the problems of the connection and DATABASE_NOT_INITIALISED, SCHEMA_HEAD_UNKNOWN, SCHEMA_HALF_MIGRATED.
 */
export async function probeSide(database: Database, { name, entities, keys }: ProbeOptions): Promise<ProbedSide> {
  await using session = await database.session();
  const schema = await readSchema(session);
  const row = detectRelease({ schema, entities, side: name, where: database.label });
  const [server] = await session.query<{ version: string; size: string }>(
    "select current_setting('server_version') as version, pg_database_size(current_database())::text as size",
  );
  return {
    side: { release: row.release, schema },
    facts: {
      label: database.address,
      airflow: describeRelease(row),
      release: row.release,
      server: database.landed?.server ?? (server?.version ?? "").split(" ")[0] ?? "",
      identity: database.landed?.identity ?? (await readIdentity(session)),
      sizeBytes: database.landed?.sizeBytes ?? Number(server?.size ?? 0),
      heads: Object.fromEntries(Object.entries(schema.alembic).map(([table, head]) => [table, String(head)])),
      columns: columnsDigest(schema),
      keys: keys === undefined ? null : keysDigest(keys),
    },
  };
}
