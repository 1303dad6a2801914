/**
 * Makes the pages of docs/reference/, the generated parts of README.md and the command line's own summary from the code.
 *
 *     node tools/generate-docs.ts            writes them
 *     node tools/generate-docs.ts --check    writes nothing; fails where one is not as the code makes it
 */
import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cliPage } from "./docs/cli.ts";
import { configPage, configSchema } from "./docs/config.ts";
import { entitiesPage } from "./docs/entities.ts";
import { replaceSection } from "./docs/markdown.ts";
import { problemsPage } from "./docs/problems.ts";
import { speed } from "./docs/speed.ts";
import { supportPage } from "./docs/support.ts";

const root = dirname(import.meta.dirname);
const isCheck = process.argv.includes("--check");

/** As `npm run check` wants to find it. */
function formatted(text: string, as: string): string {
  const run = spawnSync("biome", ["format", `--stdin-file-path=${as}`], {
    cwd: root,
    input: text,
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`biome did not format ${as}: ${run.stderr || String(run.error)}`);
  return run.stdout;
}

async function read(file: string): Promise<string> {
  return await readFile(join(root, file), "utf8").catch(() => "");
}

const cli = await cliPage();
const files: Readonly<Record<string, string>> = {
  "docs/reference/cli.md": cli.text,
  "src/cli/summaries.ts": formatted(cli.summaries, "summaries.ts"),
  "docs/reference/config.md": configPage(cli.options),
  "docs/reference/crosswind.schema.json": formatted(configSchema(), "schema.json"),
  "docs/reference/entities.md": entitiesPage(),
  "docs/reference/problems.md": await problemsPage(root),
  "docs/reference/support.md": supportPage(),
  "README.md": replaceSection(await read("README.md"), "speed", await speed(root)),
};

const faults = cli.missing.map(({ name, reason }) => `the command "${name}" can not be loaded: ${reason}`);
for (const [file, text] of Object.entries(files)) {
  if ((await read(file)) === text) continue;
  if (isCheck) {
    faults.push(`${file} is not as the code makes it: run node tools/generate-docs.ts`);
    continue;
  }
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), text);
  console.log(`wrote ${file}`);
}
for (const fault of faults) console.error(fault);
if (isCheck && faults.length > 0) process.exitCode = 1;
