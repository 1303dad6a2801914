import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";
import type { CliResult } from "../support/run-cli.ts";
import {
  aFolder,
  aMigration,
  emptyTarget,
  type Folder,
  largeSource,
  problemOf,
  signalAt,
  targetKeys,
} from "./migration.ts";

const FIRST_TASK_INSTANCES = /"kind":"chunk","entity":"task_instance"/;
/** The chunks under way take a second or two; what hangs takes for ever. */
const SOON_MS = 20_000;

describe("an apply that is interrupted", () => {
  const resources = new AsyncDisposableStack();
  let source: string;
  let template: string;
  let reference: TestDatabase;
  let folder: Folder;

  beforeAll(async () => {
    template = await emptyTarget();
    source = (await largeSource()).url;
    reference = resources.use(await freshDatabase({ template }));
    folder = resources.use(await aFolder());
    const migration = aMigration(folder, { source, target: reference.url });
    await migration.plan();
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
  });
  afterAll(() => resources.disposeAsync());

  async function begun(target: TestDatabase) {
    const migration = aMigration(folder, { source, target: target.url });
    await migration.plan();
    return migration;
  }

  test("by one Ctrl-C finishes the chunks under way, says so, and goes on later", async () => {
    await using target = await freshDatabase({ template });
    const migration = await begun(target);

    const stopped = await migration.apply({
      timeoutMs: SOON_MS,
      onStderrLine: signalAt(FIRST_TASK_INSTANCES, "SIGINT"),
    });
    const result = await migration.apply();

    expect([stopped.code, problemOf(stopped)]).toEqual([1, "RUN_INTERRUPTED"]);
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
  });

  test.for([/"kind":"chunk","entity":"connection"/, /"kind":"taken-off"/, /"kind":"restored"/])(
    "by one Ctrl-C at %s ends, too, and goes on later",
    async (line) => {
      await using target = await freshDatabase({ template });
      const migration = await begun(target);

      const stopped = await migration.apply({ timeoutMs: SOON_MS, onStderrLine: signalAt(line, "SIGINT") });
      const result = await migration.apply();

      expect([stopped.code, problemOf(stopped)]).toEqual([1, "RUN_INTERRUPTED"]);
      expect(result, problemOf(result)).toMatchObject({ code: 0 });
      expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
    },
  );

  test("by a second Ctrl-C ends at once, and goes on later", async () => {
    await using target = await freshDatabase({ template });
    const migration = await begun(target);
    let interruptedAt = 0;

    const stopped = await migration.apply({
      timeoutMs: SOON_MS,
      onStderrLine: (line, send) => {
        if (interruptedAt !== 0 || !FIRST_TASK_INSTANCES.test(line)) return;
        interruptedAt = performance.now();
        send("SIGINT");
        setTimeout(() => send("SIGINT"), 30);
      },
    });
    const took = performance.now() - interruptedAt;
    const result = await migration.apply();

    expect([stopped.code, stopped.signal]).toEqual([1, null]);
    expect(took).toBeLessThan(2000);
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
  });

  test("is not joined by one that knows nothing of it: that is refused, and the first goes on", async () => {
    await using target = await freshDatabase({ template });
    await using state = await freshDatabase();
    const migration = await begun(target);
    let second: Promise<CliResult> | undefined;

    const first = await migration.apply({
      env: { CROSSWIND_TARGET_LIMITS_ROWS_PER_SECOND: "12000" },
      onStderrLine: (line) => {
        if (/"phase":"history"/.test(line)) second ??= migration.apply({ env: { CROSSWIND_STATE: state.url } });
      },
    });
    const refused = await second;

    expect(first, problemOf(first)).toMatchObject({ code: 0 });
    expect(refused && [refused.code, problemOf(refused)]).toEqual([1, "APPLY_UNDER_WAY"]);
    expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
  });

  test("by the death of its state database ends with that problem, and goes on later", async () => {
    await using target = await freshDatabase({ template });
    const migration = await begun(target);
    let killed: Promise<void> | undefined;

    const hurt = await migration.apply({
      timeoutMs: SOON_MS,
      onStderrLine: (line) => {
        if (FIRST_TASK_INSTANCES.test(line)) killed ??= killState(folder);
      },
    });
    await killed;
    const result = await migration.apply();

    expect([hurt.code, problemOf(hurt)]).toEqual([1, "STATE_DATABASE_LOST"]);
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    expect(await compareTargets(reference.url, target.url, targetKeys)).toEqual([]);
  });
});

async function killState(folder: Folder): Promise<void> {
  const record = JSON.parse(await readFile(join(folder.path, ".crosswind/embedded-state.json"), "utf8")) as {
    pid: number;
  };
  process.kill(record.pid, "SIGKILL");
}
