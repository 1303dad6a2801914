import type { Pair } from "../airflow/support/cutover-pair.ts";
import { proveCutover } from "../airflow/support/cutover-suite.ts";

const all: readonly Pair[] = (
  [
    ["1.10.15", "2.10.5"],
    ["2.2.5", "2.10.5"],
    ["2.4.3", "2.10.5"],
    ["2.10.5", "2.11.0"],
    ["2.10.5", "3.3.2"],
    ["3.0.6", "3.3.2"],
  ] as const
).map(([from, to]) => ({ from, to, files: ["plain", "rare"] }));

/** `SOURCE=2.4.3`, `TARGET=3.3.2`: pairs of these. Default: all. */
const { SOURCE, TARGET } = process.env;

for (const pair of all) {
  if ((SOURCE ?? pair.from) === pair.from && (TARGET ?? pair.to) === pair.to) proveCutover(pair);
}
