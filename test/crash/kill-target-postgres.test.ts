import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
const MUST_END_WITHIN_MS = 30_000;

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
  let undisturbedMs: number;

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
    undisturbedMs = result.elapsedMs;
  });
  afterAll(() => resources.disposeAsync());

  const moments = [0.2, 0.34, 0.48, 0.62, 0.76].map((from, index) => ({
    number: index + 1,
    share: from + random() * 0.1,
  }));

  test.for(moments)(
    `ends with that problem, and goes on to the same target ($number, seed ${seed})`,
    async (moment) => {
      const name = `killed_${moment.number}`;
      const first = await openEmbeddedPostgres(serverOf(folder));
      const migration = aMigration(folder, { source, target: await freshTarget(first, name) });
      await migration.plan();
      const running = migration.apply({ timeoutMs: moment.share * undisturbedMs + MUST_END_WITHIN_MS });
      await new Promise((resolve) => setTimeout(resolve, moment.share * undisturbedMs));
      await killServer(folder);
      const hurt = await running;
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
