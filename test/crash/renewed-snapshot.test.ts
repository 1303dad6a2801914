import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { apply } from "../../src/app/apply.ts";
import { plan } from "../../src/app/plan.ts";
import type { Config } from "../../src/domain/config.ts";
import type { RunEvent } from "../../src/domain/run-event.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase } from "../support/database.ts";
import { emptyTarget, largeSource, targetKeys } from "./migration.ts";

const FERNET_KEY = join(import.meta.dirname, "../fixtures/fernet.key");
const TARGET_KEY = Buffer.from("the fernet key of a crash target").toString("base64");

/** Plans and applies in this process, with read snapshots of so many minutes at most. Gives the events. */
async function migrate(databases: { readonly source: string; readonly target: string }, snapshotMinutes: number) {
  await using state = await freshDatabase();
  const config: Config = {
    source: {
      database: new Secret(databases.source),
      fernetKey: new Secret((await readFile(FERNET_KEY, "utf8")).trim()),
    },
    target: { database: new Secret(databases.target), fernetKey: new Secret(TARGET_KEY) },
    select: EVERYTHING,
    state: new Secret(state.url),
    lanes: 1,
    snapshotMinutes,
  };
  const events: RunEvent[] = [];
  const now = new Date();
  const planned = await plan(config, { acceptLoss: false, now, version: "test" });
  const ended = await apply(config, {
    plan: planned,
    planFile: "plan.json",
    version: "test",
    actor: { who: "somebody", host: "here" },
    homeDir: ".",
    now,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
  });
  expect(ended).toMatchObject({ state: "done", wasDone: false });
  return events;
}

test("a read snapshot that is too old is renewed while the copy goes on, and each row is there once", async () => {
  const template = await emptyTarget();
  const { url: source } = await largeSource();
  await using target = await freshDatabase({ template });
  await using reference = await freshDatabase({ template });

  const events = await migrate({ source, target: target.url }, 0.005);
  const undisturbed = await migrate({ source, target: reference.url }, 60);

  const kinds = events.map((event) => event.kind);
  expect(kinds).toContain("snapshot-renewed");
  expect(kinds.indexOf("chunk")).toBeLessThan(kinds.indexOf("snapshot-renewed"));
  expect(undisturbed.map((event) => event.kind)).not.toContain("snapshot-renewed");
  expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
});
