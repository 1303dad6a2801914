import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { parseFernetKeys } from "../../../src/airflow/codecs/index.ts";
import { loadFixture } from "../../../src/databases/postgres/load-fixture.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { anEnvironment } from "../../support/an-environment.ts";
import { compareTargets } from "../../support/compare-targets.ts";
import { expectComplete } from "../../support/expect-complete.ts";
import { privateCluster, whyNoPrivateCluster } from "../../support/private-cluster.ts";

vi.setConfig({ testTimeout: 300_000 });

const FIXTURES = join(import.meta.dirname, "../../fixtures");
/** Rows of the audit log that are more than fits beside the rest. */
const ROWS = 120_000;
/** What stays free for the copy, at first and when room was made. */
const LITTLE_MB = 12;
const ENOUGH_MB = 200;

/** A small disk of its own: a tmpfs, which only root may mount. */
async function aDisk(
  sizeMb: number,
): Promise<AsyncDisposable & { readonly path: string; resize(mb: number): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "crosswind-disk-"));
  const mount = (...args: readonly string[]) => promisify(execFile)("mount", [...args]);
  await mount("-t", "tmpfs", "-o", `size=${sizeMb}m`, "tmpfs", path);
  return {
    path,
    resize: async (mb) => void (await mount("-o", `remount,size=${mb}m`, path)),
    [Symbol.asyncDispose]: async () => {
      await promisify(execFile)("umount", ["-l", path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function whyNoDisk(): Promise<string | undefined> {
  try {
    await using _disk = await aDisk(1);
    return undefined;
  } catch (error) {
    return `no small disk can be mounted (${(error as Error).message.split("\n")[0]})`;
  }
}

const reason = whyNoPrivateCluster() ?? (await whyNoDisk());
if (reason !== undefined) process.stderr.write(`NOT RUN: a target whose disk is full: ${reason}\n`);

async function usedMb(path: string): Promise<number> {
  const { stdout } = await promisify(execFile)("df", ["--output=used", "-BM", path]);
  return Number(/(\d+)M/.exec(stdout)?.[1]);
}

describe("a target whose disk is full", { skip: reason !== undefined }, () => {
  test("stops the apply, says so, and the next one goes on once there is room", async () => {
    await using environment = await anEnvironment();
    await using disk = await aDisk(500);
    await using cluster = await privateCluster({ dataFolder: disk.path });
    await cluster.query("postgres", "create database airflow");
    await loadFixture(cluster.url("airflow"), join(FIXTURES, "airflow-3.3.2-empty.sql.gz"));
    await environment.source.query(
      `insert into log (dttm, event, extra) select now() - n * interval '1 second', 'many', repeat('x', 200) from generate_series(1, ${ROWS}) n`,
    );
    const env = { TARGET_DATABASE_URL: cluster.url("airflow") };
    await environment.plan([], { env });
    const used = await usedMb(disk.path);
    await disk.resize(used + LITTLE_MB);

    const stopped = await environment.apply([], { env });
    await disk.resize(used + ENOUGH_MB);
    const applied = await environment.apply([], { env });
    await environment.plan();
    const elsewhere = await environment.apply();

    expect([stopped.code, stopped.problem?.code], stopped.output).toEqual([1, "DATABASE_DISK_FULL"]);
    expect(stopped.problem?.what).toContain("target (");
    expectComplete(stopped);
    expect([applied.code, elsewhere.code], applied.output + elsewhere.output).toEqual([0, 0]);
    const keys = parseFernetKeys(new Secret(environment.variables["TARGET_FERNET_KEY"] ?? ""));
    expect(await compareTargets(environment.target.url, env.TARGET_DATABASE_URL, keys)).toEqual([]);
  });
});
