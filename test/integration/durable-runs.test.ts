import { expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { DurableRun, WorkItem } from "../../src/ports/durable.ts";
import { type Ended, openRun } from "../../src/runs/dbos-runs.ts";
import { AS_CARRIER } from "../support/a-copy.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";

function itemsOf(run: string): readonly WorkItem[] {
  return Array.from({ length: 12 }, (_, at) => ({ kind: "chunk", key: `item ${at}`, payload: `${run} ${at}` }));
}

function sorted(payloads: readonly string[]): readonly string[] {
  return payloads.toSorted((a, b) => a.localeCompare(b));
}

/** Carries a run whose items note what they were handed. */
async function carry(
  state: TestDatabase,
  run: string,
  options: { readonly onItem: (payload: string) => void; readonly signal?: AbortSignal },
): Promise<Ended<number>> {
  const place = { url: new Secret(state.url), label: "the state of a test" };
  await using opened = openRun({ run, state: place, lanes: 1, ...AS_CARRIER });
  const definition = {
    run: async (durable: DurableRun) => (await durable.all(itemsOf(run))).length,
    item: async (item: WorkItem) => {
      options.onItem(String(item.payload));
      return null;
    },
  };
  return await opened.carry(definition, { signal: options.signal ?? new AbortController().signal });
}

test("a run leaves the items of a stopped one in the same state database alone, which does them when it goes on", async () => {
  await using state = await freshDatabase();
  const stop = new AbortController();
  const [before, other, after]: [string[], string[], string[]] = [[], [], []];
  const onItem = (payload: string) => {
    before.push(payload);
    stop.abort();
  };

  const stopped = await carry(state, "the first", { onItem, signal: stop.signal });
  const done = await carry(state, "the other", { onItem: (payload) => other.push(payload) });
  const resumed = await carry(state, "the first", { onItem: (payload) => after.push(payload) });

  expect(stopped).toEqual({ state: "stopped" });
  expect([done, resumed]).toMatchObject([
    { state: "done", result: 12 },
    { state: "done", result: 12 },
  ]);
  expect(before).toHaveLength(1);
  expect(sorted(other)).toEqual(sorted(itemsOf("the other").map((each) => String(each.payload))));
  expect(sorted([...before, ...after])).toEqual(sorted(itemsOf("the first").map((each) => String(each.payload))));
});
