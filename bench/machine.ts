import { cpus, totalmem } from "node:os";
import { query } from "../test/airflow/support/databases.ts";
import { runProgram } from "./contender.ts";

/** What a figure needs beside it. No names and no paths. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGb: number;
  readonly node: string;
  readonly postgres: string;
  /** Settings of the server that matter here, as `SHOW` gives them. */
  readonly settings: Readonly<Record<string, string>>;
  /** Commit of the checkout, with `+` where it was changed since. */
  readonly commit: string;
  readonly date: string;
}

const SETTINGS = [
  "shared_buffers",
  "work_mem",
  "maintenance_work_mem",
  "max_wal_size",
  "max_parallel_workers",
  "max_parallel_maintenance_workers",
  "synchronous_commit",
  "fsync",
  "wal_level",
  "jit",
];

async function commit(): Promise<string> {
  const head = await runProgram("git", ["rev-parse", "--short", "HEAD"]).catch(() => "unknown");
  const changes = await runProgram("git", ["status", "--porcelain", "--", "src", "package-lock.json"]).catch(() => "");
  return `${head.trim()}${changes === "" ? "" : "+"}`;
}

/** The machine and the server that a bench ran on. */
export async function describeMachine(serverUrl: string): Promise<Machine> {
  const [version] = await query<{ version: string }>(serverUrl, "select current_setting('server_version') as version");
  const settings = await query<{ name: string; value: string }>(
    serverUrl,
    "select name, current_setting(name) as value from unnest($1::text[]) name",
    [SETTINGS],
  );
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    postgres: version?.version ?? "unknown",
    settings: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
    commit: await commit(),
    date: new Date().toISOString().slice(0, 10),
  };
}
