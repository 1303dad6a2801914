import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Release } from "../../src/domain/release.ts";

/** A pair of releases that was moved from genuine Airflow to genuine Airflow, and the test that does it. */
export interface ProvenPair {
  readonly from: Release;
  readonly to: Release;
  /** The test's name in {@link PROOFS}. */
  readonly test: string;
}

/** The file whose tests prove pairs. */
const PROOFS = "test/airflow/main-job.test.ts";

export const PROVEN_PAIRS: readonly ProvenPair[] = [
  { from: "2.10.5", to: "3.3.2", test: "plan, apply and verify move it to a genuine 3.3.2" },
  { from: "2.10.5", to: "2.10.5", test: "the 2.10.5 moves to another 2.10.5" },
  { from: "3.3.2", to: "3.3.2", test: "the 3.3.2 that has worked with it moves to another 3.3.2" },
];

/** Pairs that are called proven and whose test is not there. */
export async function unprovenPairs(root: string): Promise<readonly string[]> {
  const text = await readFile(join(root, PROOFS), "utf8").catch(() => "");
  return PROVEN_PAIRS.filter((pair) => !text.includes(JSON.stringify(pair.test))).map(
    (pair) => `${pair.from} to ${pair.to}: ${PROOFS} has no test "${pair.test}"`,
  );
}
