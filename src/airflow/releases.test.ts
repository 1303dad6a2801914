import { expect, test } from "vitest";
import { recordedSchema } from "../../test/support/recorded-schemas.ts";
import { compareReleases } from "../domain/release.ts";
import { describeRelease, recordedReleases, releaseOfHead, releases } from "./releases.ts";

test("every recorded schema has the head of its release and its name", () => {
  for (const release of recordedReleases) {
    const schema = recordedSchema(release);

    expect(schema.airflow).toBe(release);
    expect(releaseOfHead(String(schema.alembic["alembic_version"]))?.schemas).toContain(release);
  }
});

test("heads are known once, oldest first, and no release is between two rows", () => {
  expect(new Set(releases.map((row) => row.head)).size).toBe(releases.length);
  for (const [index, row] of releases.entries()) {
    const next = releases[index + 1];
    if (next === undefined) continue;
    expect(compareReleases(row.from, next.from)).toBeLessThan(0);
    if (row.before !== undefined) expect(row.before).toBe(next.from);
    if (row.to !== undefined) expect(compareReleases(row.to, next.from)).toBeLessThan(0);
  }
});

test("the release that stands for a row has its head", () => {
  for (const row of releases) {
    expect(compareReleases(row.release, row.from)).toBeGreaterThanOrEqual(0);
    if (row.to !== undefined) expect(compareReleases(row.release, row.to)).toBeLessThanOrEqual(0);
    if (row.before !== undefined) expect(compareReleases(row.release, row.before)).toBeLessThan(0);
  }
});

test("only the newest row has no end", () => {
  const open = releases.filter((row) => row.to === undefined && row.before === undefined);

  expect(open).toEqual([releases.at(-1)]);
});

test("an unknown head is of no release", () => {
  expect(releaseOfHead("000000000000")).toBeUndefined();
});

test("names the releases of a row", () => {
  expect(describeRelease({ head: "a", release: "1.10.10", from: "1.10.10", to: "1.10.10" })).toBe("1.10.10");
  expect(describeRelease({ head: "a", release: "1.10.8", from: "1.10.8", to: "1.10.9" })).toBe("1.10.8 to 1.10.9");
  expect(describeRelease({ head: "a", release: "2.11.0", from: "2.10.3", before: "3.0.0" })).toBe(
    "2.10.3 and later, before 3.0.0",
  );
  expect(describeRelease({ head: "a", release: "3.3.2", from: "3.3.0" })).toBe("3.3.0 and later");
});
