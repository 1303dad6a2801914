// npm run matrix: proves on genuine Airflows that content moves between any two releases.
//
//   npm run matrix                                     every case
//   npm run matrix -- --source 2.4.3 --target 3.3.2    the cases with that source, with that target
//   npm run matrix -- --part 1/4                       one quarter, for machines side by side
//   npm run matrix -- --server postgresql://...        on that server instead of an embedded one
//   npm run matrix -- --left                           prints what stays behind, too
//
// With --cutover: switches DAGs between genuine Airflows that work, instead.
//
//   npm run matrix -- --cutover                                     all of it; hours
//   npm run matrix -- --cutover --source 2.4.3 --target 2.10.5      one pair
//   npm run matrix -- --cutover --only kills                        one part: pairs, kills, hundred, drain, api
import { parseArgs } from "node:util";
import { openEmbeddedPostgres } from "../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../src/databases/embedded/host.ts";
import { dropDatabase, query, withDatabase } from "../test/airflow/support/databases.ts";
import { allCases, type Case, nameOfPath } from "../test/matrix/environments.ts";
import { type CaseResult, runCase } from "../test/matrix/run-case.ts";
import { runCutovers } from "./matrix-cutover.ts";

const { values } = parseArgs({
  options: {
    source: { type: "string" },
    target: { type: "string" },
    part: { type: "string" },
    server: { type: "string" },
    left: { type: "boolean", default: false },
    cutover: { type: "boolean", default: false },
    only: { type: "string" },
  },
});

function chosen(): readonly Case[] {
  const cases = allCases.filter(
    (each) =>
      (values.source === undefined || nameOfPath(each.source) === values.source) &&
      (values.target === undefined || each.targets.some((target) => nameOfPath(target) === values.target)),
  );
  if (values.part === undefined) return cases;
  const [part = 0, of = 0] = values.part.split("/").map(Number);
  if (!(part >= 1 && part <= of)) throw new Error(`--part is like 1/4, not ${values.part}`);
  return cases.filter((_, index) => index % of === part - 1);
}

async function openServer(): Promise<AsyncDisposable & { readonly url: string }> {
  if (values.server !== undefined) return { url: values.server, [Symbol.asyncDispose]: async () => {} };
  const postgres = await openEmbeddedPostgres({
    name: "test",
    homeDir: `${import.meta.dirname}/..`,
    host: thisHost("throwaway"),
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" },
  });
  return { url: postgres.url("postgres"), [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose]() };
}

const MOST_SHOWN = 12;

/** A failure on one line: its beginning, and its end, where a Python error says what it is. */
function oneLine(failure: string): string {
  const text = failure.replace(/\s+/g, " ");
  return text.length <= 600 ? text : `${text.slice(0, 250)} … ${text.slice(-350)}`;
}

const width = { name: 34, number: 8 };

function line(cells: readonly (string | number)[]): string {
  const [name = "", ...rest] = cells;
  return String(name).padEnd(width.name) + rest.map((cell) => String(cell).padStart(width.number)).join("");
}

function mark(result: CaseResult, part: string): string {
  if (result.proof === undefined) return "-";
  return result.failures.some((failure) => failure.startsWith(`${part}:`)) ? "FAILED" : "ok";
}

function show(result: CaseResult): void {
  const marks = ["rows", "orm", "api", "verify"].map((part) => mark(result, part));
  const left = result.leftBehind.length;
  console.log(line([result.name, result.rows, result.entities, left, ...marks, result.seconds.toFixed(1)]));
  for (const failure of result.failures.slice(0, MOST_SHOWN)) console.log(`    ✗ ${oneLine(failure)}`);
  if (result.failures.length > MOST_SHOWN) console.log(`    ✗ and ${result.failures.length - MOST_SHOWN} more`);
  if (!values.left) return;
  for (const each of result.leftBehind) console.log(`      ${each}`);
  for (const each of result.proof?.compared.notGivenBack ?? []) console.log(`      not given back: ${each}`);
}

async function runAll(): Promise<readonly CaseResult[]> {
  await using server = await openServer();
  const state = `crosswind_matrix_state_${process.pid}`;
  await query(server.url, `create database "${state}"`);
  const results: CaseResult[] = [];
  console.log(line(["case", "rows", "entities", "left", "expected", "orm", "api", "verify", "seconds"]));
  try {
    for (const each of chosen()) {
      const result = await runCase(each, { serverUrl: server.url, stateUrl: withDatabase(server.url, state) });
      results.push(result);
      show(result);
    }
  } finally {
    await dropDatabase(server.url, state);
  }
  return results;
}

async function runMatrix(): Promise<number> {
  const results = await runAll();
  const failed = results.filter((result) => result.failures.length > 0);
  console.log(`\n${results.length - failed.length} of ${results.length} cases passed`);
  for (const each of failed) console.log(`  failed: ${each.name}`);
  return failed.length > 0 || results.length === 0 ? 1 : 0;
}

const { cutover, source, target, only } = values;
process.exitCode = await (cutover ? runCutovers({ source, target, only }) : runMatrix());
