import { expect, test } from "vitest";
import { Places } from "./places.ts";

test("a DAG that finds no place waits until another one is finished; one that has a place keeps it", () => {
  const places = new Places(2);

  expect(["a", "b", "c", "a"].map((dag) => places.take(dag))).toEqual([true, true, false, true]);
  places.give("a");
  expect(places.take("c")).toBe(true);
  expect(places.take("a")).toBe(false);
});
