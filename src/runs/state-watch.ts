import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Secret } from "../domain/secret.ts";

/** A connection that is only held, to learn at once that the state database is gone. */
export interface StateWatch extends AsyncDisposable {
  /** Resolves with the reason when the connection ends by itself; never while the state database is there. */
  readonly lost: Promise<Error>;
}

/** How often it is asked for a sign of life, and how long it may take for that, in milliseconds. */
const ASK_MS = 10_000;
const ANSWER_MS = 20_000;
/** A connection that nothing comes through never says good-bye. */
const CLOSE_MS = 1000;

/** Without it nobody would be told: DBOS waits for its database for ever. Rejects with the driver's error when there is none. */
export async function watchState(url: Secret): Promise<StateWatch> {
  const client = new Client({
    connectionString: url.reveal(),
    application_name: "crosswind state watch",
    connectionTimeoutMillis: 10_000,
    query_timeout: ANSWER_MS,
    keepAlive: true,
  });
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  client.on("error", resolve);
  await client.connect();
  const timer = setInterval(() => void client.query("select").catch(resolve), ASK_MS).unref();
  return {
    lost,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await Promise.race([client.end().catch(() => undefined), sleep(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}
