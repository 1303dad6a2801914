import { dropDatabase, query } from "../test/airflow/support/databases.ts";
import { type Bench, timed } from "./contender.ts";
import { applyOnce, type RunCommand } from "./crosswind.ts";
import { describeMachine } from "./machine.ts";
import { type LaneResult, median } from "./report.ts";
import { benchFernetKey, benchSource, cloneDatabase } from "./source.ts";

const SOURCE = "crosswind_bench_working";
const RUNS = 1000;
/** One row of a hundred of the tables that hold nearly all rows, spread over all of their blocks. */
const CHANGES = [
  "update task_instance set hostname = 'changed since' where abs(hashtext(dag_id || task_id || run_id)) % 100 = 0",
  "update xcom set timestamp = timestamp + interval '1 microsecond' where abs(hashtext(dag_id || task_id || run_id)) % 100 = 0",
  "update log set owner = 'changed since' where id % 100 = 0",
];

/** What is done after a copy, in this order. */
const STEPS: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly changes?: readonly string[];
}[] = [
  { name: "`verify`, everything", args: ["verify", "--json"] },
  { name: "`verify --dag`, one of 100", args: ["verify", "--dag", "bench_042", "--json"] },
  { name: "`sync`, nothing changed", args: ["sync", "--json"] },
  {
    name: "`sync`, 1 % of task instances, XComs and audit log changed",
    args: ["sync", "--json"],
    changes: CHANGES,
  },
];

async function round(serverUrl: string, source: string): Promise<readonly number[]> {
  const working = await cloneDatabase(serverUrl, source, SOURCE);
  const fernetKey = await benchFernetKey();
  const bench: Bench = { serverUrl, source: SOURCE, finished: SOURCE, fernetKey, targetFernetKey: fernetKey };
  const seconds: number[] = [];
  const after = async (run: RunCommand): Promise<void> => {
    for (const { args, changes = [] } of STEPS) {
      for (const sql of changes) await query(working, sql);
      seconds.push(await timed(serverUrl, () => run(args)));
    }
  };
  try {
    const applied = await applyOnce(bench, { after });
    return [applied.seconds, ...seconds];
  } finally {
    await dropDatabase(serverUrl, SOURCE);
  }
}

/** Verification and deltas at scale M, as shares of the copy in the same round. */
export async function benchAfter(serverUrl: string, rounds: number): Promise<LaneResult> {
  const source = await benchSource({ serverUrl, runs: RUNS, finishedOnly: false });
  const all: (readonly number[])[] = [];
  for (let each = 0; each < rounds; each++) all.push(await round(serverUrl, source));
  const share = (at: number) => median(all.map((seconds) => (seconds[at] ?? 0) / (seconds[0] ?? 1)));
  const rows = ["`apply`", ...STEPS.map(({ name }) => name)].map((name, at) => {
    const seconds = all.map((each) => each[at] ?? 0);
    return `| ${name} | ${Math.min(...seconds).toFixed(2)} / ${median(seconds).toFixed(2)} | ${share(at).toFixed(2)} |`;
  });
  return {
    title: `After the copy: scale M, ${rounds} rounds`,
    machine: await describeMachine(serverUrl),
    lines: [
      "| | seconds, min / median | of the copy, median |",
      "| --- | --- | --- |",
      ...rows,
      "",
      "Whole commands with their start.",
    ],
  };
}
