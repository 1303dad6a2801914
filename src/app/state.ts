import { openEmbeddedPostgres } from "../databases/embedded/embedded-postgres.ts";
import { thisHost } from "../databases/embedded/host.ts";
import { parsePostgresUrl } from "../databases/postgres/url.ts";
import type { Config } from "../domain/config.ts";
import { Secret } from "../domain/secret.ts";

/** The state database: the configured one, or an embedded Postgres in `.crosswind/` beside the configuration. */
export interface StateDatabase extends AsyncDisposable {
  readonly url: Secret;
  readonly label: string;
}

const STATE = "crosswind_state";

/** Opens the state database; the embedded one is started on demand. */
export async function openState(config: Pick<Config, "state">, homeDir: string): Promise<StateDatabase> {
  if (config.state !== undefined) {
    const { connectionString, label } = parsePostgresUrl(config.state);
    return { url: new Secret(connectionString), label, [Symbol.asyncDispose]: async () => {} };
  }
  const server = await openEmbeddedPostgres({ name: "state", homeDir, host: thisHost("durable") });
  return {
    url: new Secret(server.url(STATE)),
    label: `the embedded Postgres in ${homeDir}/.crosswind`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
