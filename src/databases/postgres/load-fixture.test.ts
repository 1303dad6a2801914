import { describe, expect, test } from "vitest";
import { stepsOf } from "./load-fixture.ts";

const dump = [
  "CREATE TABLE public.a (id integer);",
  "COPY public.a (id, text) FROM stdin;",
  "1\tone; COPY public.b (id) FROM stdin;",
  "2\t\\\\.",
  "\\.",
  "COPY public.b (id) FROM stdin;",
  "\\.",
  "SELECT pg_catalog.setval('public.a_id_seq', 2, true);",
  "",
].join("\n");

describe("the steps of a plain-text dump", () => {
  test("keep statements and rows in their order", () => {
    const steps = [...stepsOf(dump)];

    expect(steps.map((step) => step.kind)).toEqual(["statements", "copy", "copy", "statements"]);
  });

  test("give the rows of a table without its end mark", () => {
    const [, first] = [...stepsOf(dump)];

    expect(first).toEqual({
      kind: "copy",
      sql: "COPY public.a (id, text) FROM stdin",
      rows: "1\tone; COPY public.b (id) FROM stdin;\n2\t\\\\.\n",
    });
  });

  test("give no rows for an empty table", () => {
    const [, , second] = [...stepsOf(dump)];

    expect(second).toEqual({ kind: "copy", sql: "COPY public.b (id) FROM stdin", rows: "" });
  });
});
