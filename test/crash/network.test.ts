import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProblemReport } from "../../src/domain/problem.ts";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";
import type { CliOptions, CliResult } from "../support/run-cli.ts";
import { type Disturbance, type TcpProxy, tcpProxy } from "../support/tcp-proxy.ts";
import { aChangedSource, type ChangedSource } from "./changed-source.ts";
import {
  aFolder,
  aMigration,
  emptyTarget,
  type Folder,
  largeSource,
  problemOf,
  randomNumbers,
  seedOfRun,
  targetKeys,
} from "./migration.ts";

const seed = seedOfRun();
const random = randomNumbers(seed);

/** Any command ends within this time after it was cut off; what hangs takes for ever. */
const MUST_END_WITHIN_MS = 110_000;
/** A random while after the line of progress. */
const MOST_LATER_MS = 600;
/** A delta of few rows is soon over. */
const MOST_LATER_IN_SYNC_MS = 50;
/** A stall that ends by itself before anybody takes the server for lost. */
const SHORT_STALL_MS = 5000;

/** Silence takes a minute to be told from work: `NETWORK=all` tries it everywhere, else a verification alone has it. */
const HOW: readonly Disturbance[] =
  process.env["NETWORK"] === "all" ? ["reset", "drop", "stall", "stall-open"] : ["reset", "drop"];
const APPLY_LINES = [
  /"phase":"prepare"/,
  /"kind":"taken-off"/,
  /"kind":"chunk","entity":"task_instance"/,
  /"kind":"chunk","entity":"xcom"/,
] as const;
const SYNC_LINES = [/"phase":"prepare"/, /"phase":"objects"/, /"kind":"chunk","entity":"dag_run"/] as const;

/** Its loss and the vain attempt to reach it again are both told, depending on the moment. */
const TOLD = {
  source: /^DATABASE_(CONNECTION_LOST|UNREACHABLE)$/,
  target: /^DATABASE_(CONNECTION_LOST|UNREACHABLE)$/,
  state: /^STATE_DATABASE_(LOST|UNREACHABLE)$/,
} as const;

type Side = keyof typeof TOLD;

function one<T>(of: readonly [T, ...T[]]): T {
  return of[Math.floor(random() * of.length)] ?? of[0];
}

function moments<S extends Side>(
  sides: readonly S[],
  lines: readonly [RegExp, ...RegExp[]],
  mostLaterMs = MOST_LATER_MS,
) {
  return sides.flatMap((side) => HOW.map((how) => ({ side, how, line: one(lines), laterMs: random() * mostLaterMs })));
}

interface Hurt {
  readonly result: CliResult;
  /** Connections that were open at that moment. */
  readonly connections: number;
}

type Command = (options: Partial<CliOptions>) => Promise<CliResult>;

interface Moment {
  readonly how: Disturbance;
  readonly line: RegExp;
  readonly laterMs: number;
}

/** Runs a command, hurts its network once, and mends it when the command has ended, or after `healAfterMs`. */
async function hurt(
  command: Command,
  proxy: TcpProxy,
  { how, line, laterMs, healAfterMs }: Moment & { readonly healAfterMs?: number },
): Promise<Hurt> {
  let connections = 0;
  let disturbing: Promise<void> | undefined;
  const disturb = async () => {
    await sleep(laterMs);
    connections = proxy.disturb(how);
    if (healAfterMs !== undefined) await sleep(healAfterMs).then(() => proxy.heal());
  };
  const result = await command({
    timeoutMs: MUST_END_WITHIN_MS,
    onStderrLine: (text) => {
      if (line.test(text)) disturbing ??= disturb();
    },
  });
  await disturbing;
  // A server behind a network that was cut notices by its own probes that nobody is there; here it is told.
  proxy.disturb("reset");
  proxy.heal();
  return { result, connections };
}

/** Either it went on by itself, or it said what happened, what is safe and what to do. */
function expectTold({ result, connections }: Hurt, side: Side): void {
  expect(connections).toBeGreaterThan(0);
  if (result.code === 0) return;
  expect(problemOf(result)).toMatch(TOLD[side]);
  expect(result.code).toBe(1);
  const { problem } = JSON.parse(result.stdout) as { readonly problem: ProblemReport };
  expect(problem.what).toContain(side);
  expect([problem.safe.length > 10, problem.next.length > 0]).toEqual([true, true]);
}

describe("an apply through a network that fails", () => {
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
    await appendFile(join(folder.path, "crosswind.yaml"), "state: ${env:STATE}\n");
    await using state = await freshDatabase();
    const migration = aMigration(folder, { source, target: reference.url, state: state.url });
    await migration.plan();
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
  });
  afterAll(() => resources.disposeAsync());

  async function hurtApply(side: Side, moment: Moment & { readonly healAfterMs?: number }) {
    await using target = await freshDatabase({ template });
    await using state = await freshDatabase();
    const urls = { source, target: target.url, state: state.url };
    await using proxy = await tcpProxy(urls[side]);
    const migration = aMigration(folder, { ...urls, [side]: proxy.through(urls[side]) });
    await migration.plan();
    const first = await hurt((options) => migration.apply(options), proxy, moment);
    const again = await migration.apply();
    expect(again, problemOf(again)).toMatchObject({ code: 0 });
    return { first, differences: await compareTargets(reference.url, target.url, targetKeys) };
  }

  test.for(moments(["source", "target", "state"], APPLY_LINES))(
    `$how of the $side at $line: told or survived, and the next one ends equal (seed ${seed})`,
    async ({ side, ...moment }) => {
      const { first, differences } = await hurtApply(side, moment);

      expectTold(first, side);
      expect(differences).toEqual([]);
    },
  );

  test.for(["source", "target"].flatMap((side) => [{ side, how: "reset" } as const, { side, how: "stall" } as const]))(
    "$how of the $side while it is verified: told, and the next verification ends well",
    async ({ side, how }) => {
      await using state = await freshDatabase();
      const urls = { source, target: reference.url, state: state.url };
      const url = side === "source" ? urls.source : urls.target;
      await using proxy = await tcpProxy(url);
      const migration = aMigration(folder, { ...urls, [side]: proxy.through(url) });
      const moment = { how, line: /"kind":"verified"/, laterMs: 0 } as const;

      const first = await hurt((options) => migration.verify(options), proxy, moment);
      const again = await migration.verify();

      expectTold(first, side === "source" ? "source" : "target");
      expect(first.result.code).toBe(1);
      expect(again, problemOf(again)).toMatchObject({ code: 0 });
    },
  );

  test.for(["source", "target", "state"] as const)("goes on by itself after a short stall of the %s", async (side) => {
    const moment = { how: "stall", line: one(APPLY_LINES), laterMs: 0, healAfterMs: SHORT_STALL_MS } as const;

    const { first, differences } = await hurtApply(side, moment);

    expect([first.result.code, first.connections > 0]).toEqual([0, true]);
    expect(differences).toEqual([]);
  });
});

describe("a delta through a network that fails", () => {
  const resources = new AsyncDisposableStack();
  let folder: Folder;
  let source: ChangedSource;

  beforeAll(async () => {
    folder = resources.use(await aFolder());
    source = await aChangedSource(folder, resources);
  });
  afterAll(() => resources.disposeAsync());

  test.for(moments(["source", "target"], SYNC_LINES, MOST_LATER_IN_SYNC_MS))(
    `$how of the $side at $line: told or survived, and the next one ends equal (seed ${seed})`,
    async ({ side, ...moment }) => {
      await using target = await source.copied();
      const before = await source.ended(target.url);
      const urls = { source: source.url, target: target.url };
      await using proxy = await tcpProxy(urls[side]);
      const migration = aMigration(folder, { ...urls, [side]: proxy.through(urls[side]) });

      const first = await hurt((options) => migration.sync(options), proxy, moment);
      const after = await source.ended(target.url);
      const again = await migration.sync();

      expectTold(first, side);
      if (first.result.code !== 0) expect(after).toEqual(before);
      expect(again, problemOf(again)).toMatchObject({ code: 0 });
      expect(await source.differences(target.url)).toEqual([]);
    },
  );
});
