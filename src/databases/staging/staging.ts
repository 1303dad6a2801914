import { createHash } from "node:crypto";
import { Secret } from "../../domain/secret.ts";
import type { Database } from "../../ports/database.ts";
import { openEmbeddedPostgres } from "../embedded/embedded-postgres.ts";
import { thisHost } from "../embedded/host.ts";
import { openPostgres } from "../postgres/postgres.ts";
import { parsePostgresUrl } from "../postgres/url.ts";
import { stagingRefused } from "./problems.ts";

/** A database in staging for one source; the embedded server stays up as long as it is not disposed of. */
export interface Staging extends AsyncDisposable {
  readonly url: Secret;
  /** To write to it. */
  readonly database: Database;
}

export interface StagingOptions {
  /** The address of the source that is landed: each has a database of its own. */
  readonly source: string;
  /** What it is for besides copying, as `doctor`: a database of its own, too. */
  readonly purpose?: string;
  /** A Postgres server of the user's; undefined: the embedded one below `homeDir`. */
  readonly server: Secret | undefined;
  readonly homeDir: string;
}

/** Landed rows can be had again at any time, so that nothing waits for the disk. */
const SETTINGS = { synchronous_commit: "off", wal_level: "minimal", max_wal_senders: "0", max_wal_size: "2GB" };

/** The database that a source is landed in; the same every time. */
export function stagingName({ source, purpose }: Pick<StagingOptions, "source" | "purpose">): string {
  const digest = createHash("sha256").update(source).digest("hex").slice(0, 16);
  return `crosswind_landed_${digest}${purpose === undefined ? "" : `_${purpose}`}`;
}

/** DUPLICATE_DATABASE or UNIQUE_VIOLATION: another command made it at the same moment. */
function isThereNow(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "42P04" || code === "23505";
}

async function onServer(server: Secret, name: string): Promise<Secret> {
  await using database = openPostgres({ url: server, name: "staging", maxSessions: 1 });
  const [row] = await database.query<{ there: boolean; role: string }>(
    "select exists (select from pg_database where datname = $1) as there, quote_ident(current_user) as role",
    [name],
  );
  if (row?.there !== true) {
    await database
      .query(`create database "${name}" template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`)
      .catch((error: unknown) => {
        if (isThereNow(error)) return;
        const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
        throw stagingRefused({ where: database.address, reason, role: row?.role ?? "ROLE" }, { cause: error });
      });
  }
  const url = new URL(parsePostgresUrl(server).connectionString);
  url.pathname = `/${name}`;
  return new Secret(url.href);
}

async function openStagingServer(homeDir: string, resources: AsyncDisposableStack) {
  const options = { name: "staging", homeDir, host: thisHost("durable"), settings: SETTINGS };
  return resources.use(await openEmbeddedPostgres(options));
}

/**
 * Opens the database that a source is landed in, and makes it where it is not there yet.
 *
 * Throws STAGING_REFUSED, the problems of the connection and those of the embedded Postgres.
 */
export async function openStaging(options: StagingOptions): Promise<Staging> {
  await using resources = new AsyncDisposableStack();
  const name = stagingName(options);
  let url: Secret;
  if (options.server === undefined) {
    const server = await openStagingServer(options.homeDir, resources);
    url = await onServer(new Secret(server.url("postgres")), name);
  } else {
    url = await onServer(options.server, name);
  }
  const database = resources.use(openPostgres({ url, name: "staging", maxSessions: 2 }));
  const kept = resources.move();
  return { url, database, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Drops the databases of a source whose purpose begins like that, and gives how many; those that are in use stay. Called on another database of the same server. */
export async function dropStagings(
  on: Database,
  { source, purpose }: Pick<StagingOptions, "source" | "purpose">,
): Promise<number> {
  const rows = await on.query<{ name: string }>(
    "select datname as name from pg_database where starts_with(datname, $1)",
    [stagingName({ source, ...(purpose === undefined ? {} : { purpose }) })],
  );
  let dropped = 0;
  for (const { name } of rows) {
    const isGone = await on.query(`drop database if exists "${name}"`).then(
      () => true,
      () => false,
    );
    if (isGone) dropped++;
  }
  return dropped;
}

/** Drops every database that was made for a source in staging, and gives how many. Throws the problems of the connection and those of the embedded Postgres. */
export async function removeStagings({
  source,
  server,
  homeDir,
}: Pick<StagingOptions, "source" | "server" | "homeDir">): Promise<number> {
  await using resources = new AsyncDisposableStack();
  const url = server ?? new Secret((await openStagingServer(homeDir, resources)).url("postgres"));
  await using database = openPostgres({ url, name: "staging", maxSessions: 1 });
  return await dropStagings(database, { source });
}
