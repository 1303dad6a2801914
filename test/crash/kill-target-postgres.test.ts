import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  openEmbeddedPostgres,
  stopEmbeddedPostgres,
} from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { compareTargets } from "../support/compare-targets.ts";
import {
  aFolder,
  aMigration,
  EMPTY_TARGET,
  type Folder,
  largeSource,
  problemOf,
  randomNumbers,
  seedOfRun,
  targetKeys,
} from "./migration.ts";

const seed = seedOfRun();
const random = randomNumbers(seed);

/** Its loss and its recovery are both told like this, depending on the moment. */
const LOST = /^DATABASE_(CONNECTION_LOST|UNREACHABLE)$/;
const MUST_END_WITHIN_MS = 60_000;

/** Each phase is hit: a line of progress, and a random while after it. */
const POINTS = [
  /"phase":"prepare"/,
  /"kind":"taken-off"/,
  /"kind":"chunk","entity":"task_instance"/,
  /"kind":"chunk","entity":"xcom"/,
  /"kind":"restored"/,
] as const;
const MOST_LATER_MS = 300;

/** A server of its own, as durable as a real one: what it has committed survives. */
function serverOf(folder: Folder): EmbeddedOptions {
  return { name: "target", homeDir: folder.path, host: thisHost("throwaway"), settings: { fsync: "on" } };
}

/** SIGKILL for the postmaster and every process that it started, as when the machine goes down. */
async function killServer(folder: Folder): Promise<void> {
  const { pid } = JSON.parse(await readFile(join(folder.path, ".crosswind/embedded-target.json"), "utf8")) as {
    pid: number;
  };
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean);
  for (const each of [pid, ...children.map(Number)]) process.kill(each, "SIGKILL");
}

describe("an apply whose target's server is killed", { skip: process.platform !== "linux" }, () => {
  const resources = new AsyncDisposableStack();
  let source: string;
  let folder: Folder;

  async function freshTarget(server: EmbeddedPostgres, name: string): Promise<string> {
    await server.createDatabase(name, { template: "empty_target" });
    return server.url(name);
  }

  beforeAll(async () => {
    source = (await largeSource()).url;
    folder = resources.use(await aFolder());
    const options = serverOf(folder);
    resources.defer(async () => void (await stopEmbeddedPostgres(options, { remove: true })));
    await using server = await openEmbeddedPostgres(options);
    await server.createDatabase("empty_target");
    await loadFixture(server.url("empty_target"), EMPTY_TARGET);
    const migration = aMigration(folder, { source, target: await freshTarget(server, "reference") });
    await migration.plan();
    const result = await migration.apply();
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
  });
  afterAll(() => resources.disposeAsync());

  const moments = POINTS.map((line, index) => ({ line, number: index + 1, laterMs: random() * MOST_LATER_MS }));

  test.for(moments)(
    `at $line ends with that problem, and goes on to the same target (seed ${seed})`,
    async (moment) => {
      const name = `killed_${moment.number}`;
      const first = await openEmbeddedPostgres(serverOf(folder));
      const migration = aMigration(folder, { source, target: await freshTarget(first, name) });
      await migration.plan();
      let killing: Promise<void> | undefined;
      const hurt = await migration.apply({
        timeoutMs: MUST_END_WITHIN_MS,
        onStderrLine: (text) => {
          if (moment.line.test(text)) killing ??= sleep(moment.laterMs).then(() => killServer(folder));
        },
      });
      await killing;
      await first[Symbol.asyncDispose]();

      await using server = await openEmbeddedPostgres(serverOf(folder));
      // The port is another one: the configuration of a real server would be the same.
      const again = aMigration(folder, { source, target: server.url(name) });
      const result = await again.apply();

      expect(problemOf(hurt)).toMatch(LOST);
      expect(hurt.code).toBe(1);
      expect(result, problemOf(result)).toMatchObject({ code: 0 });
      expect(await compareTargets(server.url("reference"), server.url(name), targetKeys)).toEqual([]);
    },
  );
});
