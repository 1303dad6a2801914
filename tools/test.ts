// npm test: every project of vitest.config.ts, one after another, all of them also when one fails.
// npm test -- ARGS: passes the arguments on to vitest instead.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pythonMissing } from "../test/airflow/support/install.ts";

const root = dirname(import.meta.dirname);
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

interface Project {
  readonly name: string;
  /** At least one of them must be there for it to have tests. */
  readonly folders: readonly string[];
  readonly needsPython?: true;
}

const PROJECTS: readonly Project[] = [
  { name: "unit", folders: ["src"] },
  { name: "integration", folders: ["test/integration", "test/conformance"] },
  { name: "crash", folders: ["test/crash"] },
  { name: "airflow", folders: ["test/airflow"], needsPython: true },
  { name: "matrix", folders: ["test/matrix"], needsPython: true },
];

const args = process.argv.slice(2);
process.exitCode = args.length > 0 ? runVitest(args) : await runAll();

async function runAll(): Promise<number> {
  const noPython = await pythonMissing();
  const results = PROJECTS.filter(({ folders }) => folders.some((folder) => existsSync(join(root, folder)))).map(
    (project) => ({ name: project.name, ...runProject(project, noPython) }),
  );
  console.log("");
  for (const { name, said } of results) {
    console.log(`${name.padEnd(12)} ${said}`);
  }
  return results.some(({ isFailed }) => isFailed) ? 1 : 0;
}

function runProject(
  { name, needsPython }: Project,
  noPython: string | undefined,
): { readonly said: string; readonly isFailed: boolean } {
  if (needsPython === true && noPython !== undefined) {
    // On a developer's machine a loud word is enough; where nobody reads it, it must not pass for a success.
    console.error("\n".concat("!".repeat(100)));
    console.error(`The tests against genuine Airflow (${name}) were NOT RUN: ${noPython}.`);
    console.error("!".repeat(100));
    return { said: `NOT RUN (${noPython})`, isFailed: Boolean(process.env["CI"]) };
  }
  const start = performance.now();
  const code = runVitest(["--project", name]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  return { said: `${code === 0 ? "passed" : "FAILED"} (${seconds} s)`, isFailed: code !== 0 };
}

function runVitest(vitestArgs: readonly string[]): number {
  const run = spawnSync(process.execPath, [vitest, "run", ...vitestArgs], { cwd: root, stdio: "inherit" });
  return run.status ?? 1;
}
