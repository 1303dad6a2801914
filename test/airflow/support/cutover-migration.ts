import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopEmbeddedPostgres } from "../../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../../src/databases/embedded/host.ts";
import { type CliOptions, type CliResult, runCli } from "../../support/run-cli.ts";
import type { SchedulingAirflow } from "./cutover-environment.ts";

/** One line of `crosswind cutover --json` on standard error. */
export interface CutoverLine {
  readonly dagId: string;
  readonly state: string;
  readonly what: string;
}

/** Where a DAG's switch ended. */
export interface SwitchedDag {
  readonly dagId: string;
  readonly state: string;
  readonly wasPaused: boolean;
  readonly pausedAt?: string;
  readonly liveAt?: string;
  readonly reason?: string;
  /** Runs that went over half done. */
  readonly handedOver?: readonly string[];
}

export interface CutoverResult {
  readonly dags: readonly SwitchedDag[];
}

/** A folder with the configuration of a migration, and the commands run there. */
export interface CutoverMigration extends AsyncDisposable {
  /** The JSON document of a command; throws, with its output, on another exit code than 0. */
  readonly run: <Result>(...args: readonly string[]) => Promise<Result>;
  /** The command's end, whatever it is. */
  readonly attempt: (args: readonly string[], options?: Partial<CliOptions>) => Promise<CliResult>;
}

interface Side extends Pick<SchedulingAirflow, "databaseUrl" | "fernetKey"> {
  /** Where its API is asked, if it is, and the token for it: else everything goes through the database. */
  readonly door?: { readonly url: string; readonly token: string };
}

/** Both sides, by their databases, or by the API where one is named. */
export async function openMigration(source: Side, target: Side): Promise<CutoverMigration> {
  const cwd = await mkdtemp(join(tmpdir(), "crosswind-cutover-"));
  // The embedded server of a run as root is another account's, which must get in.
  await chmod(cwd, 0o755);
  const side = (name: string, { door }: Side) =>
    [
      `  database: \${env:${name}_DATABASE_URL}`,
      `  fernetKey: \${env:${name}_FERNET_KEY}`,
      ...(door === undefined ? [] : ["  api:", `    url: ${door.url}`, `    token: \${env:${name}_API_TOKEN}`]),
      "",
    ].join("\n");
  await writeFile(join(cwd, "crosswind.yaml"), `source:\n${side("SOURCE", source)}target:\n${side("TARGET", target)}`);
  const env = {
    SOURCE_DATABASE_URL: source.databaseUrl,
    SOURCE_FERNET_KEY: source.fernetKey,
    TARGET_DATABASE_URL: target.databaseUrl,
    TARGET_FERNET_KEY: target.fernetKey,
    SOURCE_API_TOKEN: source.door?.token ?? "",
    TARGET_API_TOKEN: target.door?.token ?? "",
  };
  const attempt = (args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliResult> =>
    runCli([...args, "--json"], { timeoutMs: 900_000, ...options, cwd, env });
  return {
    attempt,
    run: async <Result>(...args: readonly string[]) => {
      const { code, stdout, stderr } = await attempt(args);
      if (code !== 0)
        throw new Error(`crosswind ${args.join(" ")}: ${code}\n${stdout.slice(-6000)}\n${stderr.slice(-6000)}`);
      return JSON.parse(stdout) as Result;
    },
    [Symbol.asyncDispose]: async () => {
      await stopEmbeddedPostgres({ name: "state", homeDir: cwd, host: thisHost("durable") }, { remove: true });
      await rm(cwd, { recursive: true, force: true });
    },
  };
}
