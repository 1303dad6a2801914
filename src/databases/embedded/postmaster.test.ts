import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { disownStalePid, findPostmaster, parsePostmaster } from "./postmaster.ts";

const text = (pid: number) => `${pid}\n/somewhere\n1767225600\n40123\n\n127.0.0.1\n  1234567    98304\nready   \n`;

async function dataFolder(pid: number): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "crosswind-postmaster-")));
  await writeFile(join(dir, "postmaster.pid"), text(pid));
  return dir;
}

test("reads process id and port", () => {
  expect(parsePostmaster(text(4711))).toEqual({ pid: 4711, port: 40_123 });
});

test.for(["", "4711\n", "4711\n/somewhere\n1767225600\n", "-1\n/x\n1\n5432\n"])(
  "waits for a complete file: %j",
  (partial) => {
    expect(parsePostmaster(partial)).toBeUndefined();
  },
);

test("does not take another process with the recorded id for the server", async () => {
  const dir = await dataFolder(process.ppid);

  expect(await findPostmaster(dir)).toBeUndefined();
  await rm(dir, { recursive: true });
});

test("takes over a recorded id that belongs to something else, and keeps the memory key", async () => {
  const dir = await dataFolder(process.ppid);

  await disownStalePid(dir);

  expect(await readFile(join(dir, "postmaster.pid"), "utf8")).toBe(text(process.pid));
  await rm(dir, { recursive: true });
});

test("leaves the file of a dead server to Postgres", async () => {
  const noSuchPid = 2 ** 22 + 1;
  const dir = await dataFolder(noSuchPid);

  await disownStalePid(dir);

  expect(await readFile(join(dir, "postmaster.pid"), "utf8")).toBe(text(noSuchPid));
  await rm(dir, { recursive: true });
});
