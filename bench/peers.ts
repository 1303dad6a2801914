import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dropDatabase, emptyDatabase, withDatabase } from "../test/airflow/support/databases.ts";
import { ensureAirflow, pythonMissing } from "../test/airflow/support/install.ts";
import { run as runCommand } from "../test/airflow/support/processes.ts";
import { type Bench, type Contender, hasProgram, type Outcome, runProgram, timed } from "./contender.ts";
import { cloneDatabase } from "./source.ts";

const TARGET = "crosswind_bench_peer";
const MIGRATE_LIMIT_MS = 7_200_000;

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function dumpAndRestore(bench: Bench): Promise<Outcome> {
  await using target = await emptyDatabase(bench.serverUrl, TARGET);
  return await withFolder(async (folder) => {
    const dump = join(folder, "dump");
    const seconds = await timed(bench.serverUrl, async () => {
      await runProgram("pg_dump", [
        "-Fd",
        "-j2",
        "-Z0",
        "-f",
        dump,
        "-d",
        withDatabase(bench.serverUrl, bench.finished),
      ]);
      await runProgram("pg_restore", ["-j2", "-d", target.url, dump]);
    });
    return { seconds };
  });
}

async function pgcopydb(bench: Bench): Promise<Outcome> {
  await using target = await emptyDatabase(bench.serverUrl, TARGET);
  const from = withDatabase(bench.serverUrl, bench.finished);
  return await withFolder(async (folder) => {
    const where = ["--source", from, "--target", target.url, "--dir", join(folder, "work")];
    const args = ["clone", ...where, "--table-jobs", "2", "--index-jobs", "2"];
    return { seconds: await timed(bench.serverUrl, () => runProgram("pgcopydb", args)) };
  });
}

async function migrateInPlace(bench: Bench): Promise<Outcome> {
  const install = await ensureAirflow("3.3.2");
  const databaseUrl = await cloneDatabase(bench.serverUrl, bench.finished, TARGET);
  try {
    return await withFolder(async (home) => {
      const env = install.env({ databaseUrl, home, fernetKey: bench.fernetKey });
      const migrate = () =>
        runCommand(install.airflow, ["db", "migrate"], { env, cwd: home, timeoutMs: MIGRATE_LIMIT_MS });
      return { seconds: await timed(bench.serverUrl, migrate) };
    });
  } finally {
    await dropDatabase(bench.serverUrl, TARGET);
  }
}

async function lacking(...programs: readonly string[]): Promise<string | undefined> {
  for (const program of programs) {
    if (!(await hasProgram(program))) return `${program} is not installed`;
  }
  return undefined;
}

/** pgcopydb is only in Debian's own packages: installed where that is possible without asking. */
async function ensurePgcopydb(): Promise<string | undefined> {
  if (await hasProgram("pgcopydb")) return undefined;
  if (process.getuid?.() !== 0 || !(await hasProgram("apt-get"))) return await lacking("pgcopydb");
  try {
    await runProgram("apt-get", ["update", "-qq"]);
    await runProgram("apt-get", ["install", "-y", "-qq", "pgcopydb"]);
    return undefined;
  } catch (error) {
    return `pgcopydb could not be installed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What others need for the same rows. None of them but `airflow db migrate` crosses a version. */
export const peers: readonly Contender[] = [
  {
    name: "pg_dump",
    what: "`pg_dump -Fd -j2 -Z0`, then `pg_restore -j2`: same version, schema and data, late indexes, via the disk",
    missing: () => lacking("pg_dump", "pg_restore"),
    run: dumpAndRestore,
  },
  {
    name: "pgcopydb",
    what: "`pgcopydb clone --table-jobs 2 --index-jobs 2`: same version, late indexes",
    missing: ensurePgcopydb,
    run: pgcopydb,
  },
  {
    name: "airflow db migrate",
    what: "`airflow db migrate` 2.10.5 -> 3.3.2, in place: the environment is down all the while",
    isSlow: true,
    missing: pythonMissing,
    run: migrateInPlace,
  },
];
