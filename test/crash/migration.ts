import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject } from "vitest";
import { type FernetKeys, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { stopEmbeddedPostgres } from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { Secret } from "../../src/domain/secret.ts";
import { templateDatabase } from "../support/database.ts";
import { grownSource } from "../support/grow-source.ts";
import { type CliOptions, type CliResult, runCli } from "../support/run-cli.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
/** A target that its own Airflow has just made. */
export const EMPTY_TARGET = join(FIXTURES, "airflow-3.3.2-empty.sql.gz");
/** The Fernet key of every target here. */
export const TARGET_KEY = Buffer.from("the fernet key of a crash target").toString("base64");

/** An apply of it takes some seconds, and most of its history has several chunks. */
const GROWTH = { copies: 260, secrets: 50 } as const;

const CONFIG = `
source: { database: "\${env:SOURCE}", fernetKey: "file:${join(FIXTURES, "fernet.key")}" }
target: { database: "\${env:TARGET}", fernetKey: "\${env:TARGET_KEY}" }
`;

/** The keys of every target here. */
export const targetKeys: FernetKeys = parseFernetKeys(new Secret(TARGET_KEY));

/**
 * The large source: a template, whose name is given too. It is only read, so that tests use the template itself; who changes it makes a
 * database of the template.
 */
export async function largeSource(): Promise<{ readonly template: string; readonly url: string }> {
  const template = await grownSource(GROWTH);
  const url = new URL(inject("postgresUrl"));
  url.pathname = `/${template}`;
  return { template, url: url.href };
}

/** A template of an empty target. */
export async function emptyTarget(): Promise<string> {
  return await templateDatabase("crash_target_3_3_2", (url) => loadFixture(url, EMPTY_TARGET));
}

/** A folder with a configuration, and in it the embedded state database, for as long as the scope lasts. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
}

export async function aFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "crosswind-crash-"));
  // The embedded server of a run as root is another account's, which must get in.
  await chmod(path, 0o755);
  await writeFile(join(path, "crosswind.yaml"), CONFIG);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await stopEmbeddedPostgres({ name: "state", homeDir: path, host: thisHost("durable") }, { remove: true });
      await rm(path, { recursive: true });
    },
  };
}

/** A copy from one database to another, by the command line. */
export interface Migration {
  /** Saves the plan: once, before the first apply. */
  plan(): Promise<void>;
  /** `crosswind apply --json`: progress as NDJSON on standard error. */
  apply(options?: Partial<CliOptions>): Promise<CliResult>;
  /** `crosswind sync --json`: progress as NDJSON on standard error. */
  sync(options?: Partial<CliOptions>): Promise<CliResult>;
  /** `crosswind verify --json`. */
  verify(options?: Partial<CliOptions>): Promise<CliResult>;
}

/** `state`: for a folder whose configuration names a state database of its own, as `${env:STATE}`. */
export function aMigration(
  folder: Folder,
  databases: { readonly source: string; readonly target: string; readonly state?: string },
): Migration {
  const file = `${new URL(databases.target).pathname.slice(1)}.plan.json`;
  const env = { SOURCE: databases.source, TARGET: databases.target, STATE: databases.state ?? "", TARGET_KEY };
  const run = (args: readonly string[], options: Partial<CliOptions> = {}) =>
    runCli([...args, "--json"], { cwd: folder.path, ...options, env: { ...env, ...options.env } });
  return {
    plan: async () => {
      const planned = await runCli(["plan", "-o", file], { cwd: folder.path, env });
      expect(planned, planned.stdout + planned.stderr).toMatchObject({ code: 0 });
    },
    apply: (options) => run(["apply", file], options),
    sync: (options) => run(["sync"], options),
    verify: (options) => run(["verify"], options),
  };
}

/** The code of the problem that ended a command with `--json`. */
export function problemOf({ stdout, stderr }: CliResult): string {
  const line = stdout.trim().split("\n").at(-1) ?? "";
  try {
    return (JSON.parse(line) as { problem?: { code?: string } }).problem?.code ?? line;
  } catch {
    return stdout + stderr;
  }
}

/** Sends a signal when a line of progress matches, after `pass` of the kind were let through. */
export function signalAt(line: RegExp, signal: NodeJS.Signals, pass = 0): NonNullable<CliOptions["onStderrLine"]> {
  let left = pass;
  return (text, send) => {
    if (line.test(text) && left-- === 0) send(signal);
  };
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The seed of a test run: `CRASH_SEED` repeats one that failed. */
export function seedOfRun(): number {
  const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
  process.stderr.write(`CRASH_SEED=${seed}\n`);
  return seed;
}
