import { Client } from "pg";
import { isProblem } from "../domain/problem.ts";
import type { Secret } from "../domain/secret.ts";
import { stateUnreachable } from "./problems.ts";
import { prepareState } from "./state-schema.ts";

/** Where the state database is. */
export interface StateAddress {
  readonly url: Secret;
  /** For messages: without the password. */
  readonly label: string;
}

/** Who does something, and on which machine: for the record. */
export interface Actor {
  readonly who: string;
  readonly host: string;
}

/** What a peer that is gone may take for an answer, in milliseconds. */
const ANSWER_MS = 20_000;

/** DBOS and drivers quote the URL that they were given; a query parameter of it may be a password. */
export function withoutUrl(message: string): string {
  return message.replaceAll(/\b[a-z0-9+]+:\/\/\S+/gi, "its URL");
}

/** Source: PostgreSQL manual, appendix A. */
const NO_SUCH_DATABASE = "3D000";
const DUPLICATE_DATABASE = "42P04";

async function connect({ url, name, label }: { url: string; name: string; label: string }): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: `crosswind ${name}`,
    connectionTimeoutMillis: 10_000,
    query_timeout: ANSWER_MS,
    keepAlive: true,
  });
  // Whoever asks next is told; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await prepareState(client, label);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Where there is a server and a role that may. */
async function createDatabase(url: string): Promise<void> {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  const server = new URL(url);
  server.pathname = "/postgres";
  const client = new Client({ connectionString: server.href, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await client.query(`create database ${client.escapeIdentifier(name)}`);
  } catch (error) {
    // Another process was just a little faster.
    if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What went wrong with the state database, as a problem. */
export function asUnreachable(error: unknown, where: string): unknown {
  if (isProblem(error)) return error;
  const reason = withoutUrl(error instanceof Error ? error.message : String(error));
  return stateUnreachable({ where, reason }, { cause: error });
}

/**
 * A connection to the state database, whose record of runs is of this version. `name`: what the server shows it as.
 *
 * Throws STATE_DATABASE_UNREACHABLE, STATE_OF_NEWER_VERSION.
 */
export async function openStateClient({ url, label }: StateAddress, name: string): Promise<Client> {
  try {
    return await connect({ url: url.reveal(), name, label }).catch(async (error: { code?: string }) => {
      if (error.code !== NO_SUCH_DATABASE) throw error;
      await createDatabase(url.reveal());
      return await connect({ url: url.reveal(), name, label });
    });
  } catch (error) {
    throw asUnreachable(error, label);
  }
}
