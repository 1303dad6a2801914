// npm test: every project of vitest.config.ts, one after another, all of them also when one fails.
// npm test -- ARGS: passes the arguments on to vitest instead.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
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

/** What we read of vitest's JSON report. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const LINES_OF_A_FAILURE = 8;

const args = process.argv.slice(2);
process.exitCode = args.length > 0 ? runVitest(args) : await runAll();

async function runAll(): Promise<number> {
  const noPython = await pythonMissing();
  const results = PROJECTS.filter(({ folders }) => folders.some((folder) => existsSync(join(root, folder)))).map(
    (project) => ({ name: project.name, ...runProject(project, noPython) }),
  );
  // Again, and last: between a failure and the end there may be half an hour of other output.
  for (const failure of results.flatMap(({ failures }) => failures)) console.log(`\n${failure}`);
  console.log("");
  for (const { name, said } of results) {
    console.log(`${name.padEnd(12)} ${said}`);
  }
  return results.some(({ isFailed }) => isFailed) ? 1 : 0;
}

interface Result {
  readonly said: string;
  readonly isFailed: boolean;
  readonly failures: readonly string[];
}

function runProject({ name, needsPython }: Project, noPython: string | undefined): Result {
  if (needsPython === true && noPython !== undefined) {
    // On a developer's machine a loud word is enough; where nobody reads it, it must not pass for a success.
    console.error("\n".concat("!".repeat(100)));
    console.error(`The tests against genuine Airflow (${name}) were NOT RUN: ${noPython}.`);
    console.error("!".repeat(100));
    return { said: `NOT RUN (${noPython})`, isFailed: Boolean(process.env["CI"]), failures: [] };
  }
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "crosswind-tests-"));
  try {
    const report = join(folder, "report.json");
    const code = runVitest(["--project", name, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const isFailed = code !== 0;
    return { said: `${isFailed ? "FAILED" : "passed"} (${seconds} s)`, isFailed, failures: failuresOf(report) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failuresOf(report: string): string[] {
  if (!existsSync(report)) return [];
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed");
    const told = failed.map(({ fullName, failureMessages }) => ({ fullName, why: failureMessages?.[0] ?? "" }));
    // A file that could not be read, or whose set-up failed, has a message of its own.
    if (message !== "") told.unshift({ fullName: "(the file itself)", why: message });
    return told.map(({ fullName, why }) => `FAILED ${relative(root, name)} > ${fullName}\n${firstLines(why)}`);
  });
}

function firstLines(text: string): string {
  return stripVTControlCharacters(text)
    .split("\n")
    .slice(0, LINES_OF_A_FAILURE)
    .map((line) => `    ${line}`)
    .join("\n");
}

function runVitest(vitestArgs: readonly string[]): number {
  const run = spawnSync(process.execPath, [vitest, "run", ...vitestArgs], { cwd: root, stdio: "inherit" });
  return run.status ?? 1;
}
