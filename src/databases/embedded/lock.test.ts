import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withLock } from "./lock.ts";

test("lets one in at a time, and the next one in after a failure", async () => {
  const dir = await mkdtemp(join(tmpdir(), "crosswind-lock-"));
  const file = join(dir, "lock");
  const events: string[] = [];
  const work = async (name: string) => {
    events.push(`${name} in`);
    await sleep(40);
    events.push(`${name} out`);
    throw new Error(name);
  };

  await Promise.allSettled(["a", "b", "c"].map((name) => withLock(file, undefined, () => work(name))));

  expect(events.map((event) => event.split(" ")[1])).toEqual(["in", "out", "in", "out", "in", "out"]);
  await rm(dir, { recursive: true });
});

test("stops waiting when told to", async () => {
  const dir = await mkdtemp(join(tmpdir(), "crosswind-lock-"));
  const file = join(dir, "lock");

  const result = await withLock(file, undefined, () =>
    withLock(file, AbortSignal.timeout(60), async () => "in").catch((error: Error) => error.name),
  );

  expect(result).toBe("AbortError");
  await rm(dir, { recursive: true });
});
