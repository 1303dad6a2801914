import { expect, test } from "vitest";
import { inDepths } from "./depths.ts";

test("what others depend on comes first, together with what depends on nothing", () => {
  const parents: Readonly<Record<string, readonly string[]>> = {
    task: ["run"],
    run: ["template"],
    note: ["task", "run"],
  };

  const groups = inDepths(["note", "log", "task", "run"], (name) => parents[name] ?? []);

  expect(groups).toEqual([["log", "run"], ["task"], ["note"]]);
});

test("a name that depends on itself, and a circle, end", () => {
  const parents: Readonly<Record<string, readonly string[]>> = { user: ["user"], a: ["b"], b: ["a"] };

  const groups = inDepths(["user", "a", "b"], (name) => parents[name] ?? []);

  expect(groups.flat().toSorted((x, y) => x.localeCompare(y))).toEqual(["a", "b", "user"]);
});
