import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AirflowInstall } from "./install.ts";
import { pythonFolder } from "./paths.ts";
import { type Environment, run } from "./processes.ts";

/** A metadata database and the genuine Airflow that understands it. */
export interface Side {
  readonly install: AirflowInstall;
  readonly databaseUrl: string;
  /** One Fernet key or a comma-separated list. */
  readonly fernetKey: string;
}

/** One place where the target is not what it has to be. */
export interface Difference {
  readonly entity: string;
  /** The natural key, or the whole row of an entity without one, as JSON text. */
  readonly key: string;
  /** `missing`, `too much`, `value`, `no such column`, or the broken reference. */
  readonly kind: string;
  readonly column?: string;
  readonly expected?: unknown;
  readonly found?: unknown;
  readonly count?: number;
}

export interface Comparison {
  /** Rows expected, by entity. */
  readonly compared: Readonly<Record<string, number>>;
  /** Number of single values compared. */
  readonly values: number;
  readonly differences: readonly Difference[];
}

export interface UnreadableRow {
  readonly model: string;
  readonly key: readonly string[];
  readonly error: string;
}

export interface Reading {
  /** Rows read, by model. */
  readonly read: Readonly<Record<string, number>>;
  readonly failures: readonly UnreadableRow[];
  /** Rows that are as unreadable after the genuine migration. */
  readonly expected: readonly UnreadableRow[];
}

/** What a 3.3 target has to hold after a copy of this 2.10/2.11 source: JSON for {@link compareTarget}, worked out in Python. */
export async function expectedTarget(source: Side): Promise<string> {
  const env = { SOURCE_DATABASE_URL: source.databaseUrl, SOURCE_FERNET_KEY: source.fernetKey };
  return runProof(source, "expected_2_to_3.py", env);
}

/** Compares every mapped value of the target with what {@link expectedTarget} gave. */
export async function compareTarget(target: Side, expected: string): Promise<Comparison> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-expected-"));
  try {
    const file = join(folder, "expected.json");
    await writeFile(file, expected);
    const env = { TARGET_DATABASE_URL: target.databaseUrl, TARGET_FERNET_KEY: target.fernetKey, EXPECTED: file };
    return JSON.parse(await runProof(target, "compare_target.py", env)) as Comparison;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads every row through the models and decoders of the side's own Airflow. */
export async function readEverything(side: Side): Promise<Reading> {
  return JSON.parse(await runProof(side, "read_everything.py", {})) as Reading;
}

async function runProof(side: Side, script: string, extra: Environment): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "crosswind-proof-"));
  try {
    const env = side.install.env({ ...side, home, extra });
    const output = await run(side.install.python, [join(pythonFolder, script)], { env, cwd: home });
    // Airflow 3 logs to standard output: the result is the last line.
    return output.slice(output.trimEnd().lastIndexOf("\n") + 1);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
