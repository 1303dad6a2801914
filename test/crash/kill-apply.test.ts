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
  type Migration,
  problemOf,
  randomNumbers,
  seedOfRun,
  signalAt,
  targetKeys,
} from "./migration.ts";

/** Points that a random moment seldom hits: the first line of progress that matches, and how many of the kind are let through. */
const NAMED = [
  { at: "preparing", line: /"phase":"prepare"/, after: 0 },
  { at: "the first object", line: /"kind":"chunk","entity":"connection"/, after: 0 },
  { at: "the last object", line: /"kind":"chunk","entity":"asset"/, after: 0 },
  { at: "the cut into chunks", line: /"kind":"planned"/, after: 5 },
  { at: "taking indexes off", line: /"kind":"taken-off"/, after: 0 },
  { at: "the first task instances", line: /"kind":"chunk","entity":"task_instance"/, after: 0 },
  { at: "the last chunk", line: /"phase":"indexes"/, after: 0 },
  { at: "the first rebuilt index", line: /"kind":"restored"/, after: 0 },
  { at: "half of the rebuilt indexes", line: /"kind":"restored"/, after: 14 },
  { at: "the end", line: /"phase":"finish"/, after: 0 },
] as const;
const RANDOM = 15;
/** Shares of an undisturbed apply from its start to its end; past this one it may have ended. */
const LATEST = 0.95;
/** Of the random ones: these share their folder with nobody, so that each begins with a state database of its own. */
const IN_OWN_FOLDER = 3;
/** Each of the others is killed once more while it goes on. */
const KILLED_TWICE_EVERY = 3;

const seed = seedOfRun();
const random = randomNumbers(seed);

describe("an apply that is killed goes on to the same target", () => {
  const resources = new AsyncDisposableStack();
  let source: string;
  let template: string;
  let reference: TestDatabase;
  let shared: Folder;
  let undisturbedMs: number;

  beforeAll(async () => {
    template = await emptyTarget();
    source = (await largeSource()).url;
    reference = resources.use(await freshDatabase({ template }));
    shared = resources.use(await aFolder());
    const migration = aMigration(shared, { source, target: reference.url });
    await migration.plan();
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    undisturbedMs = result.elapsedMs;
  });
  afterAll(() => resources.disposeAsync());

  async function killed(
    folder: Folder,
    kills: readonly ((migration: Migration) => Promise<CliResult>)[],
    attempts = 4,
  ): Promise<readonly string[]> {
    await using target = await freshDatabase({ template });
    const migration = aMigration(folder, { source, target: target.url });
    await migration.plan();
    for (const kill of kills) {
      const result = await kill(migration);
      if (result.code === 0 && attempts > 1) {
        // It was faster than the first one, by which the moment was chosen.
        undisturbedMs = Math.min(undisturbedMs, result.elapsedMs);
        return await killed(folder, kills, attempts - 1);
      }
      expect(result.signal, problemOf(result)).toBe("SIGKILL");
    }
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    return await compareTargets(reference.url, target.url, targetKeys);
  }

  const atRandom = (share: number) => (migration: Migration) => migration.apply({ killAfterMs: share * undisturbedMs });

  test.for(NAMED)("killed at $at", async ({ line, after }) => {
    const kill = async (migration: Migration) => {
      const result = await migration.apply({ onStderrLine: signalAt(line, "SIGKILL", after) });
      expect(result.signal).toBe("SIGKILL");
      return result;
    };

    expect(await killed(shared, [kill])).toEqual([]);
  });

  const moments = Array.from({ length: RANDOM }, (_, index) => ({
    number: index + 1,
    first: random() * LATEST,
    second: index % KILLED_TWICE_EVERY === 0 ? random() * LATEST : undefined,
  }));

  test.for(moments)(`killed at random moment $number (seed ${seed})`, async ({ number, first, second }) => {
    await using own = new AsyncDisposableStack();
    const folder = number <= IN_OWN_FOLDER ? own.use(await aFolder()) : shared;

    const differences = await killed(folder, [atRandom(first), ...(second === undefined ? [] : [atRandom(second)])]);

    expect(differences).toEqual([]);
  });
});
