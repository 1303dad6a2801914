// Adds lock entries for optional platform packages that a registry mirror does not hold, so that `npm ci` accepts the lock file there.
// Usage, after an `npm install` behind such a mirror: node tools/complete-lock.mjs package-lock.json
import { readFileSync, writeFileSync } from "node:fs";

const file = process.argv[2];
const lock = JSON.parse(readFileSync(file, "utf8"));
const OS = ["android", "darwin", "linux", "win32", "freebsd", "openharmony", "netbsd", "openbsd", "sunos", "aix"];
let added = 0;
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`,
      top = `node_modules/${name}`;
    if (lock.packages[nested] || lock.packages[top]) continue;
    const exact = /^\d/.test(version) ? version : undefined;
    console.log(exact ? "+" : "?", path, name, version);
    if (!exact) continue;
    const last = name.split("/").pop().split("-");
    const os = last.find((w) => OS.includes(w)) ?? (last.includes("windows") ? "win32" : undefined);
    const cpu = last.includes("wasm32")
      ? "wasm32"
      : ["arm64", "x64", "ia32", "arm", "ppc64", "s390x", "riscv64", "loong64"].find((c) => last.includes(c));
    const libc = last.some((w) => /^musl/.test(w)) ? "musl" : last.some((w) => /^gnu/.test(w)) ? "glibc" : undefined;
    lock.packages[top] = {
      version: exact,
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(entry.dev ? { dev: true } : {}),
      ...(libc ? { libc: [libc] } : {}),
      optional: true,
      ...(os ? { os: [os] } : {}),
    };
    console.log(JSON.stringify(lock.packages[top]));
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, JSON.stringify(lock, null, 2) + "\n");
console.log(added);
