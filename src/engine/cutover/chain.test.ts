import { expect, test } from "vitest";
import { switchChain } from "./chain.ts";

const LEVELS = [["producer"], ["consumer", "other"], ["last"]] as const;

/** Notes what is done; what is named fails, or is not drained. */
function steps(options: { readonly undrained?: string; readonly failsAt?: string } = {}) {
  const done: string[] = [];
  const fail = (what: string) => {
    done.push(what);
    if (what === options.failsAt) throw new Error(what);
  };
  return {
    done,
    drain: async (dagId: string) => {
      fail(`drain ${dagId}`);
      return dagId !== options.undrained;
    },
    finish: async (dagId: string) => fail(`finish ${dagId}`),
    restore: async (dagIds: readonly string[]) => {
      done.push(`restore ${dagIds.join(" ")}`);
    },
  };
}

const DRAINS = ["drain producer", "drain consumer", "drain other", "drain last"];

test("who starts others is drained first and goes live last", async () => {
  const own = steps();

  await switchChain(LEVELS, own);

  expect(own.done).toEqual([...DRAINS, "finish last", "finish consumer", "finish other", "finish producer"]);
});

test("where one is not drained, all are restored and nobody goes live", async () => {
  const own = steps({ undrained: "consumer" });

  await switchChain(LEVELS, own);

  expect(own.done).toEqual([...DRAINS.slice(0, 3), "restore producer consumer other last"]);
});

test("a failure while draining restores all, after those beside it have ended", async () => {
  const own = steps({ failsAt: "drain consumer" });

  await expect(switchChain(LEVELS, own)).rejects.toThrow("drain consumer");

  expect(own.done).toEqual([...DRAINS.slice(0, 3), "restore producer consumer other last"]);
});

test("a failure at the end leaves nobody behind: the others are finished, and it is thrown then", async () => {
  const own = steps({ failsAt: "finish last" });

  await expect(switchChain(LEVELS, own)).rejects.toThrow("finish last");

  expect(own.done).toEqual([...DRAINS, "finish last", "finish consumer", "finish other", "finish producer"]);
});
