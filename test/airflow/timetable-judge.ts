import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMicros } from "../../src/airflow/timetables/micros.ts";
import type { Micros } from "../../src/airflow/timetables/timetable.ts";
import { ensureAirflow } from "./support/install.ts";
import { pythonFolder } from "./support/paths.ts";
import type { ReleaseName } from "./support/releases.ts";
import type { Case } from "./timetable-cases.ts";

/** A genuine Airflow to ask. */
export interface Environment {
  readonly release: ReleaseName;
  /** `create_cron_data_intervals`, which in 3.x decides for deltas, too; undefined: the release's default. */
  readonly intervals?: "True" | "False";
}

/** Runs a script of ours in that Airflow's Python: a case a line in, an answer a line out. */
export async function judge<A>(
  script: string,
  environment: Environment,
  cases: readonly Case[],
): Promise<readonly A[]> {
  const { release, intervals } = environment;
  const { python } = await ensureAirflow(release);
  // Its own: releases do not read each other's airflow.cfg.
  const home = mkdtempSync(join(tmpdir(), "crosswind-timetables-"));
  try {
    const output = execFileSync(python, ["-W", "ignore", join(pythonFolder, script)], {
      input: cases.map((one) => JSON.stringify(one)).join("\n"),
      encoding: "utf8",
      maxBuffer: 2 ** 30,
      stdio: ["pipe", "pipe", "inherit"],
      env: {
        ...process.env,
        TZ: "UTC",
        AIRFLOW_HOME: home,
        AIRFLOW__CORE__LOAD_EXAMPLES: "False",
        AIRFLOW__CORE__UNIT_TEST_MODE: "False",
        ...(intervals === undefined ? {} : { AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS: intervals }),
      },
    });
    return output
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as A);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The moment of an answer's text. */
export function micros(text: string): Micros {
  const value = parseMicros(text);
  if (value === undefined) throw new Error(`no moment: ${text}`);
  return value;
}
