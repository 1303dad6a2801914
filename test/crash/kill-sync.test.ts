import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { CliOptions, CliResult } from "../support/run-cli.ts";
import { aChangedSource, type ChangedSource } from "./changed-source.ts";
import { aFolder, aMigration, type Folder, problemOf, randomNumbers, seedOfRun, signalAt } from "./migration.ts";

/** Points that a random moment seldom hits: the first line of progress that matches, and how many of the kind are let through. */
const NAMED = [
  { at: "preparing", line: /"phase":"prepare"/, after: 0 },
  { at: "the objects", line: /"phase":"objects"/, after: 0 },
  { at: "the first secret", line: /"kind":"chunk","entity":"variable"/, after: 0 },
  { at: "the history", line: /"phase":"history"/, after: 0 },
  { at: "the runs", line: /"kind":"chunk","entity":"dag_run"/, after: 0 },
  { at: "the task instances", line: /"kind":"chunk","entity":"task_instance"/, after: 0 },
  { at: "the XComs", line: /"kind":"chunk","entity":"xcom"/, after: 0 },
  { at: "the audit log", line: /"kind":"chunk","entity":"log"/, after: 0 },
  { at: "the search for deleted rows", line: /"phase":"finish"/, after: 0 },
] as const;
const RANDOM = 10;
/** Of the random ones: these are killed once more while they are begun again. */
const KILLED_TWICE_EVERY = 3;
/** Shares of an undisturbed delta from its start to its end; past this one it may have ended. */
const LATEST = 0.95;
/** The server notices within this time that its client was killed. */
const SESSIONS_END_MS = 5000;

const seed = seedOfRun();
const random = randomNumbers(seed);

interface Document {
  readonly run: string;
  readonly base: { readonly run: string };
}

describe("a delta that is killed is begun again from the same mark", () => {
  const resources = new AsyncDisposableStack();
  let folder: Folder;
  let source: ChangedSource;
  let undisturbedMs: number;

  beforeAll(async () => {
    folder = resources.use(await aFolder());
    source = await aChangedSource(folder, resources);
    await using target = await source.copied();
    const result = await aMigration(folder, { source: source.url, target: target.url }).sync();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    expect(await source.differences(target.url)).toEqual([]);
    undisturbedMs = result.elapsedMs;
  });
  afterAll(() => resources.disposeAsync());

  type Kill = () => Partial<CliOptions>;

  /** Kills a delta so often, and begins it once more. Gives what then is wrong. */
  async function killed(kills: readonly Kill[], attempts = 4): Promise<readonly string[]> {
    await using target = await source.copied();
    const migration = aMigration(folder, { source: source.url, target: target.url });
    let ended = await source.ended(target.url);
    for (const kill of kills) {
      const result = await migration.sync(kill());
      if (result.code === 0 && attempts > 1) {
        // It was faster than the first one, by which the moment was chosen.
        undisturbedMs = Math.min(undisturbedMs, result.elapsedMs);
        return await killed(kills, attempts - 1);
      }
      expect(result.signal, problemOf(result)).toBe("SIGKILL");
      // Killed behind its last statement it has ended, and the next one begins from its mark.
      const [now, most] = [await source.ended(target.url), ended.length + 1];
      expect(now.slice(0, ended.length)).toEqual(ended);
      expect(now.length).toBeLessThanOrEqual(most);
      ended = now;
    }
    const again = await migration.sync();
    expect(again, problemOf(again)).toMatchObject({ code: 0 });
    const { run, base } = documentOf(again);
    expect(base.run).toBe(ended.at(-1));
    expect(await source.ended(target.url)).toEqual([...ended, run]);
    await vi.waitFor(async () => expect(await source.sessions()).toBe(0), { timeout: SESSIONS_END_MS });
    return await source.differences(target.url);
  }

  test.for(NAMED)("killed at $at", async ({ line, after }) => {
    expect(await killed([() => ({ onStderrLine: signalAt(line, "SIGKILL", after) })])).toEqual([]);
  });

  const moments = Array.from({ length: RANDOM }, (_, index) => ({
    number: index + 1,
    shares: index % KILLED_TWICE_EVERY === 0 ? [random(), random()] : [random()],
  }));

  test.for(moments)(`killed at random moment $number (seed ${seed})`, async ({ shares }) => {
    const kills = shares.map((share) => () => ({ killAfterMs: share * LATEST * undisturbedMs }));

    expect(await killed(kills)).toEqual([]);
  });
});

function documentOf({ stdout }: CliResult): Document {
  return JSON.parse(stdout) as Document;
}
