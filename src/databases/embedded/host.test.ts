import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isOwnFolder, mayEnter, parseAccount, serverAccount, thisHost } from "./host.ts";

const PASSWD =
  "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\ntoor:x:0:0::/:\n";

describe("parseAccount", () => {
  test("reads user and group id", () => {
    expect(parseAccount(PASSWD, "nobody")).toEqual({ uid: 65_534, gid: 65_533 });
  });

  test("never gives root, whatever its name", () => {
    expect(parseAccount(PASSWD, "toor")).toBeUndefined();
  });

  test("gives nothing for an account that is not there", () => {
    expect(parseAccount(PASSWD, "daemon")).toBeUndefined();
  });
});

describe("serverAccount", () => {
  test("is ourselves for everybody but root", async () => {
    expect(await serverAccount({ ...thisHost("throwaway"), uid: 1000 })).toBeUndefined();
  });

  test("is never root for root", async () => {
    const account = await serverAccount({ ...thisHost("throwaway"), uid: 0 });

    expect(account?.uid).toBeGreaterThan(0);
  });
});

describe("mayEnter", () => {
  const account = { uid: 7, gid: 8 };

  test.for([
    [{ uid: 0, gid: 0, mode: 0o40755 }, true],
    [{ uid: 0, gid: 0, mode: 0o40700 }, false],
    [{ uid: 0, gid: 8, mode: 0o40710 }, true],
    [{ uid: 0, gid: 8, mode: 0o40701 }, false],
    [{ uid: 7, gid: 0, mode: 0o40700 }, true],
    [{ uid: 7, gid: 8, mode: 0o40077 }, false],
  ] as const)("goes by the first class of the mode that fits: %j is %s", ([facts, expected]) => {
    expect(mayEnter(account, facts)).toBe(expected);
  });
});

describe("isOwnFolder", () => {
  test("takes no link for a folder of ours", async () => {
    const dir = await mkdtemp(join(tmpdir(), "crosswind-host-"));
    const uid = process.getuid?.() ?? -1;
    await mkdir(join(dir, "real"), { mode: 0o711 });
    await symlink(join(dir, "real"), join(dir, "link"));

    expect(await isOwnFolder(join(dir, "real"), uid)).toBe(true);
    expect(await isOwnFolder(join(dir, "link"), uid)).toBe(false);
    expect(await isOwnFolder(join(dir, "real"), uid + 1)).toBe(false);
    await rm(dir, { recursive: true });
  });
});
