import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPackage, linkLibraries } from "./binaries.ts";
import { thisHost } from "./host.ts";

test("names the platform that has no package", () => {
  const host = { ...thisHost("throwaway"), platform: "sunos", arch: "sparc" };

  expect(() => findPackage(host)).toThrow(
    "EMBEDDED_PLATFORM_UNSUPPORTED: there is no embedded Postgres for sunos-sparc",
  );
});

test("makes the links between libraries that install scripts were not allowed to make", async () => {
  const dir = await mkdtemp(join(tmpdir(), "crosswind-binaries-"));
  await mkdir(join(dir, "native", "lib"), { recursive: true });
  await writeFile(join(dir, "native", "lib", "libpq.so.5.17"), "library");
  const links = [{ source: "native/lib/libpq.so.5.17", target: "native/lib/libpq.so.5" }];
  await writeFile(join(dir, "native", "pg-symlinks.json"), JSON.stringify(links));

  expect(await linkLibraries(dir)).toBe(true);
  expect(await linkLibraries(dir)).toBe(true);

  expect(await readlink(join(dir, "native", "lib", "libpq.so.5"))).toBe("libpq.so.5.17");
  expect(await readFile(join(dir, "native", "lib", "libpq.so.5"), "utf8")).toBe("library");
  await rm(dir, { recursive: true });
});
