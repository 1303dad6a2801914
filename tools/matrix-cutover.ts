// The nightly proofs of the cutover, for tools/matrix.ts: the vitest project `nightly`, shown as a table.
import { createVitest, type Reporter, type TestCase, type TestModule } from "vitest/node";

export interface CutoverOptions {
  /** Pairs with that source, with that target; default all. */
  readonly source: string | undefined;
  readonly target: string | undefined;
  /** The beginning of a file's name after `cutover-`: `pairs`, `kills`, `hundred`, `drain`, `api`; default all. */
  readonly only: string | undefined;
}

const MARKS = { passed: "ok", failed: "FAILED", skipped: "-", pending: "-" } as const;

const width = { mark: 8, seconds: 9, measured: 22 } as const;

function line(cells: readonly [mark: string, seconds: string, measured: string, name: string]): string {
  const [mark, seconds, measured, name] = cells;
  return `${mark.padEnd(width.mark)}${seconds.padStart(width.seconds)}  ${measured.padEnd(width.measured)}${name}`;
}

function showTest(test: TestCase): void {
  const { state, errors } = test.result();
  const seconds = `${((test.diagnostic()?.duration ?? 0) / 1000).toFixed(1)} s`;
  console.log(line([MARKS[state], seconds, test.meta().measured ?? "", test.name]));
  for (const { message } of errors ?? []) console.log(`    ✗ ${message.slice(0, 4000)}`);
}

/** A part of the table for each `describe`, as soon as its tests have ended. */
const table: Reporter = {
  onTestSuiteReady: ({ name }) => console.log(`\n${name}\n${line(["", "seconds", "measured", ""])}`),
  onTestCaseResult: showTest,
  onTestSuiteResult: (suite) => {
    for (const { message } of suite.errors()) console.log(`    ✗ ${message.slice(0, 4000)}`);
  },
};

function failuresIn(modules: readonly TestModule[]): number {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const ended = tests.filter((test) => test.result().state === "passed").length;
  const failed = tests.filter((test) => test.result().state === "failed").length;
  const broken = modules.filter((module) => !module.ok()).length;
  console.log(`\n${ended} of ${tests.length} tests passed`);
  return tests.length === 0 ? 1 : failed + broken;
}

/** Runs them and prints the table; the exit code. */
export async function runCutovers({ source, target, only }: CutoverOptions): Promise<number> {
  // Read by test/nightly/cutover-pairs.test.ts, in processes of vitest's own.
  if (source !== undefined) process.env["SOURCE"] = source;
  if (target !== undefined) process.env["TARGET"] = target;
  const vitest = await createVitest("test", { watch: false, project: ["nightly"], reporters: [table] });
  try {
    const { testModules, unhandledErrors } = await vitest.start([`cutover-${only ?? ""}`]);
    for (const error of unhandledErrors) console.log(`    ✗ ${String(error)}`);
    return failuresIn(testModules) + unhandledErrors.length > 0 ? 1 : 0;
  } finally {
    await vitest.close();
  }
}
