import { Client } from "pg";
import type { Secret } from "../domain/secret.ts";

/** A connection that is only held, to learn at once that the state database is gone. */
export interface StateWatch extends AsyncDisposable {
  /** Resolves with the reason when the connection ends by itself; never while the state database is there. */
  readonly lost: Promise<Error>;
}

/** Without it nobody would be told: DBOS waits for its database for ever. Rejects with the driver's error when there is none. */
export async function watchState(url: Secret): Promise<StateWatch> {
  const client = new Client({
    connectionString: url.reveal(),
    application_name: "crosswind state watch",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  client.on("error", resolve);
  await client.connect();
  return {
    lost,
    [Symbol.asyncDispose]: async () => {
      await client.end().catch(() => undefined);
    },
  };
}
