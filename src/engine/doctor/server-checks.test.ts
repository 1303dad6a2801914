import { expect, test } from "vitest";
import { judgeVersion } from "./server-checks.ts";

const server = (major: number) => ({ version: `${major}.4`, versionNumber: major * 10_000 + 4 });

test.for([
  ["source", 11, "blocker"],
  ["source", 12, "ok"],
  ["source", 18, "ok"],
  ["source", 19, "note"],
  ["target", 12, "blocker"],
  ["target", 13, "ok"],
  ["target", 18, "ok"],
  ["target", 19, "note"],
] as const)("as a %s, PostgreSQL %i is: %s", ([side, major, status]) => {
  expect(judgeVersion({ side, server: server(major) })).toMatchObject({ status });
});

test("a server that is too old is named with the versions that are not", () => {
  const { detail, next } = judgeVersion({ side: "source", server: { version: "11.22", versionNumber: 110_022 } });

  expect(detail).toBe("PostgreSQL 11.22 is too old as a source: 12 to 18 are supported");
  expect(next).toEqual(["upgrade the server, or restore a dump of the database on PostgreSQL 12 to 18"]);
});
