import { fileURLToPath } from "node:url";
import { dropDatabase, emptyDatabase } from "../test/airflow/support/databases.ts";
import { pythonMissing } from "../test/airflow/support/install.ts";
import { withDatabase } from "../test/airflow/support/databases.ts";
import type { ApplyArguments, ApplyFigures } from "./apply.ts";
import { type Bench, type Contender, type Outcome, runProgram, timed } from "./contender.ts";
import { emptyTarget } from "./source.ts";

const TARGET = "crosswind_bench_target";
const STATE = "crosswind_bench_state";
const APPLY = fileURLToPath(new URL("apply.ts", import.meta.url));

export interface ApplyOptions {
  readonly lanes?: number;
  readonly only?: readonly string[];
}

/** One apply 2.10.5 -> 3.3.2 into an empty target, in a process of its own; the target is dropped afterwards. */
export async function applyOnce(bench: Bench, options: ApplyOptions = {}): Promise<{ seconds: number; figures: ApplyFigures }> {
  const target = await emptyTarget(bench.serverUrl, "3.3.2", TARGET);
  await using state = await emptyDatabase(bench.serverUrl, STATE);
  const args: ApplyArguments = {
    source: withDatabase(bench.serverUrl, bench.source),
    target,
    state: state.url,
    sourceKey: bench.fernetKey,
    targetKey: bench.targetFernetKey,
    ...options,
  };
  try {
    let printed = "";
    const seconds = await timed(bench.serverUrl, async () => {
      printed = await runProgram(process.execPath, [APPLY, JSON.stringify(args)]);
    });
    return { seconds, figures: JSON.parse(printed) as ApplyFigures };
  } finally {
    await dropDatabase(bench.serverUrl, TARGET);
  }
}

async function run(bench: Bench): Promise<Outcome> {
  const { seconds, figures } = await applyOnce(bench);
  const { maxResidentMb, rows, ...detail } = figures;
  return { seconds, maxResidentMb, rows, detail };
}

export const crosswind: Contender = {
  name: "crosswind",
  what: "2.10.5 -> 3.3.2, whole history of finished runs, two lanes: from the start of its process to its end, indexes rebuilt and analyzed",
  missing: pythonMissing,
  run,
};
