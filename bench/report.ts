import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Outcome } from "./contender.ts";
import type { Machine } from "./machine.ts";
import type { SourceFacts } from "./source.ts";

const RESULTS = fileURLToPath(new URL("results", import.meta.url));

/** All rounds of one contender, in order. */
export interface Series {
  readonly name: string;
  readonly what: string;
  /** The series that it is compared with. Default: `crosswind`. */
  readonly against?: string;
  readonly outcomes: readonly Outcome[];
  /** Why there are none. */
  readonly notRun?: string;
}

/** One bench of one scale, as it is kept. */
export interface BenchResult {
  readonly scale: string;
  readonly runsPerDag: number;
  readonly machine: Machine;
  readonly source: SourceFacts;
  /** What remains of the source without unfinished runs. */
  readonly carried: SourceFacts;
  readonly series: readonly Series[];
}

/** One figure that stands alone, as it is kept. */
export interface LaneResult {
  readonly title: string;
  readonly machine: Machine;
  readonly lines: readonly string[];
}

/** The middle one; of an even number, the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function number(value: number, digits = 0): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function ratios(mine: Series | undefined, theirs: Series): string {
  if (mine === undefined || theirs.name.startsWith(mine.name)) return "1";
  const pairs = theirs.outcomes.flatMap((their, round) => {
    const own = mine.outcomes[round];
    return own === undefined ? [] : [own.seconds / their.seconds];
  });
  const spread = pairs.map((ratio) => number(ratio, 2)).join(", ");
  return pairs.length > 1 ? `${number(median(pairs), 2)} (${spread})` : spread;
}

function line(result: BenchResult, series: Series): string {
  const { name, outcomes, notRun } = series;
  if (notRun !== undefined || outcomes.length === 0) return `| ${name} | not run: ${notRun ?? ""} | | | | | | |`;
  const seconds = outcomes.map((outcome) => outcome.seconds);
  const middle = median(seconds);
  const rows = outcomes[0]?.rows ?? result.carried.rows;
  const memory = outcomes.map((outcome) => outcome.maxResidentMb ?? 0);
  const cells = [
    name,
    `${number(Math.min(...seconds), 1)} / ${number(middle, 1)} (${outcomes.length})`,
    number(rows),
    number(rows / middle),
    number(result.carried.bytes / 1e6 / middle, 1),
    number(result.carried.taskInstances / middle),
    ratios(
      result.series.find((each) => each.name === (series.against ?? "crosswind")),
      series,
    ),
    Math.max(...memory) > 0 ? `${number(Math.max(...memory))} MB` : "",
  ];
  return `| ${cells.join(" | ")} |`;
}

function machineLines({ cores, processor, memoryGb, node, postgres, settings, commit, date }: Machine): string {
  const set = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return `${cores} cores (${processor}), ${memoryGb} GB, PostgreSQL ${postgres} (${set.join(", ")}), Node ${node}, commit ${commit}, ${date}.
Source and target are databases of the same server.`;
}

const ALONE = "MB/s is counted by the whole source. Memory is what the tool's own process held at most.";

function withOthers(carried: SourceFacts): string {
  return `The others carry the same source without its unfinished runs (${number(carried.rows)} rows, ${number(carried.bytes / 1e6)} MB, by which MB/s is counted);
Crosswind leaves those runs out of the whole one, and what Airflow 3 has no place for or makes itself. Rounds were interleaved: the ratios are between
neighbours of one round. Memory is what the tool's own process held at most.`;
}

/** One bench as Markdown. */
export function describeBench(result: BenchResult): string {
  const { source, carried } = result;
  return `## Scale ${result.scale}: ${number(source.rows)} rows, ${number(source.taskInstances)} task instances, ${number(source.bytes / 1e6)} MB

| | seconds, min / median (rounds) | rows | rows/s | MB/s | task instances/s | crosswind takes, times as long: median (each round) | memory |
| --- | --- | --- | --- | --- | --- | --- | --- |
${result.series.map((series) => line(result, series)).join("\n")}

${result.series.length === 1 ? ALONE : withOthers(carried)}

${machineLines(result.machine)}
`;
}

async function readKept<T>(): Promise<readonly T[]> {
  const names = (await readdir(RESULTS)).filter((name) => name.endsWith(".json")).sort();
  return await Promise.all(names.map(async (name) => JSON.parse(await readFile(join(RESULTS, name), "utf8")) as T));
}

/** Keeps a result, and writes the summary of all that are kept. */
export async function keep(name: string, result: BenchResult | LaneResult): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  const kept = await readKept<BenchResult | LaneResult>();
  const benches = kept.flatMap((each) => ("series" in each ? [each] : []));
  const lanes = kept.flatMap((each) => ("lines" in each ? [each] : []));
  const contenders = new Map(benches.flatMap((bench) => bench.series.map((series) => [series.name, series.what])));
  const text = [
    "# Results of `npm run bench`\n",
    "Written by the bench itself. Times of one machine on one day: compare the ratios, not the seconds.\n",
    [...contenders].map(([each, what]) => `- **${each}**: ${what}`).join("\n"),
    "",
    ...benches.toSorted((a, b) => a.runsPerDag - b.runsPerDag).map(describeBench),
    ...lanes.map((lane) => `## ${lane.title}\n\n${lane.lines.join("\n")}\n\n${machineLines(lane.machine)}\n`),
  ];
  await writeFile(join(RESULTS, "README.md"), text.join("\n"));
}
