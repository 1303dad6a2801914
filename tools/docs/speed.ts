import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchResult } from "../../bench/report.ts";
import { table } from "./markdown.ts";

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

function count(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function rowsOf({ source, carried, series }: BenchResult): readonly (readonly string[])[] {
  return series
    .filter((each) => each.outcomes.length > 0)
    .map((each) => {
      const seconds = middle(each.outcomes.map((outcome) => outcome.seconds));
      const rows = each.outcomes[0]?.rows ?? carried.rows;
      return [count(source.rows), each.name, seconds.toFixed(1), count(rows), count(rows / seconds)];
    });
}

/** The table of README.md from what the benchmark kept; a sentence where it has kept nothing. */
export async function speed(root: string): Promise<string> {
  const folder = join(root, "bench", "results");
  const names = (await readdir(folder).catch(() => [])).filter((each) => each.endsWith(".json")).sort();
  const kept = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8")) as BenchResult | object),
  );
  const benches = kept.filter((each): each is BenchResult => "series" in each);
  const [first] = benches;
  if (first === undefined) return "No results are kept yet. `npm run bench` measures on this machine.";
  const { cores, processor, memoryGb, postgres, node, commit, date } = first.machine;
  return [
    table(["rows of the source", "", "seconds (median)", "rows moved", "rows a second"], benches.flatMap(rowsOf)),
    "",
    `${cores} cores (${processor}), ${memoryGb} GB, PostgreSQL ${postgres}, Node ${node}, commit ${commit}, ${date}; source and target on one server. Settings, every round and what was compared: [bench/results](bench/results). \`npm run bench\` measures again.`,
  ].join("\n");
}
