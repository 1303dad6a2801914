// npm run check: what must hold before a change goes in, all of it also when a part fails. Needs nothing running.
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";

const root = dirname(import.meta.dirname);

const PARTS: readonly { readonly name: string; readonly command: string }[] = [
  { name: "format", command: "biome check ." },
  { name: "lint", command: "npm run --silent lint" },
  { name: "types", command: "npm run --silent types" },
  { name: "boundaries", command: "npm run --silent boundaries" },
  { name: "unused", command: "npm run --silent unused" },
  { name: "docs", command: "node tools/generate-docs.ts --check" },
  { name: "unit", command: "vitest run --project unit" },
];

const results = PARTS.map(({ name, command }) => {
  const start = performance.now();
  const { status } = spawnSync(command, { cwd: root, stdio: "inherit", shell: true });
  return { name, isFailed: status !== 0, seconds: (performance.now() - start) / 1000 };
});

console.log("");
for (const { name, isFailed, seconds } of results) {
  console.log(`${name.padEnd(12)} ${isFailed ? "FAILED" : "passed"} (${seconds.toFixed(1)} s)`);
}
process.exitCode = results.some(({ isFailed }) => isFailed) ? 1 : 0;
