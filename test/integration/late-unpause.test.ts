import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openDatabaseControl } from "../../src/connectors/airflow-database/database-control.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { freshDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

/** What was kept back, of a caller that is gone by now. */
interface Kept {
  readonly deliver: () => void;
}

/** A proxy that lets everything through until somebody wants to commit what `after` began: that it keeps, and cuts the caller off. */
async function keepingBackCommit(server: string, after: string) {
  const { hostname, port } = new URL(server);
  const kept = Promise.withResolvers<Kept>();
  const listener = createServer((client: Socket) => {
    const upstream = dial(Number(port), hostname);
    let isBegun = false;
    upstream.on("error", () => {}).pipe(client, { end: false });
    client
      .on("error", () => {})
      .on("data", (bytes: Buffer) => {
        const text = bytes.toString("latin1");
        isBegun ||= text.includes(after);
        if (!isBegun || !text.includes("commit")) {
          upstream.write(bytes);
          return;
        }
        client.destroy();
        kept.resolve({ deliver: () => void upstream.write(bytes) });
      });
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const at = (listener.address() as { readonly port: number }).port;
  return {
    url: Object.assign(new URL(server), { hostname: "127.0.0.1", port: String(at) }).href,
    kept: kept.promise,
    [Symbol.dispose]: () => void listener.close(),
  };
}

test("an unpause whose end is delivered after its deadline does nothing", async () => {
  await using database = await freshDatabase();
  await using direct = openPostgres({ url: new Secret(database.url), name: "target" });
  await direct.query(schemaDdl(recordedSchema("2.10.5")));
  await direct.query(
    "insert into dag (dag_id, is_paused, max_active_tasks, has_task_concurrency_limits, max_consecutive_failed_dag_runs) values ('late', true, 1, false, 0)",
  );
  const isPaused = async () => (await direct.query<{ is_paused: boolean }>("select is_paused from dag"))[0]?.is_paused;
  using proxy = await keepingBackCommit(database.url, "update dag");
  const through = openPostgres({ url: new Secret(proxy.url), name: "target" });
  await using control = openDatabaseControl({ side: "target", database: through, release: "2.10.5", deadlineMs: 500 });

  const call = control.setPaused("late", false, AbortSignal.timeout(60_000)).catch((error: unknown) => error);
  const { deliver } = await proxy.kept;
  // So long a successor waits before it reads both sides.
  await sleep(control.deadlineMs);
  expect(await isPaused()).toBe(true);
  deliver();
  await sleep(500);

  expect(await isPaused()).toBe(true);
  expect(await call).toHaveProperty("code", "DATABASE_CONNECTION_LOST");
});
