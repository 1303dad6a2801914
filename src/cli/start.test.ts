import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");

/** More than a pipe takes at once. */
const PATTERNS = Array.from({ length: 7000 }, (_, at) => `some_dag_with_a_long_name_${at}`);

test("a reader that is slow gets all of the output", { timeout: 30_000 }, async () => {
  const cwd = await mkdtemp(join(tmpdir(), "crosswind-start-"));
  try {
    const sides = 'source: { database: "postgresql://s@a/s" }\ntarget: { database: "postgresql://t@b/t" }\n';
    await writeFile(join(cwd, "crosswind.yaml"), `${sides}select: { dags: ${JSON.stringify(PATTERNS)} }\n`);
    const slowly = '"$0" "$1" config show --json | (sleep 2; cat)';
    const child = spawn("sh", ["-c", slowly, process.execPath, MAIN], { cwd, stdio: ["ignore", "pipe", "ignore"] });

    const output = await text(child.stdout);

    expect(output.slice(0, 1)).toBe("{");
    expect(output.trimEnd().slice(-1)).toBe("}");
    expect(output.includes(PATTERNS.at(-1) ?? "")).toBe(true);
  } finally {
    await rm(cwd, { recursive: true });
  }
});
