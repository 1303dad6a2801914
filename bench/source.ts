import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dropDatabase, freshDatabase, query, withDatabase } from "../test/airflow/support/databases.ts";
import { ensureAirflow } from "../test/airflow/support/install.ts";
import { fixtureFolder } from "../test/airflow/support/paths.ts";
import { run } from "../test/airflow/support/processes.ts";

const GENERATE_LIMIT_MS = 3_600_000;
/** Raise when the generator makes other rows: databases of an older one are not used any more. */
const GENERATOR_VERSION = 1;

/** The key of the secrets in every generated source. */
export async function benchFernetKey(): Promise<string> {
  return (await readFile(join(fixtureFolder, "fernet.key"), "utf8")).trim();
}

export interface SourceSpec {
  readonly serverUrl: string;
  /** Runs per DAG: 100 makes 0.29M rows, 1000 makes 2.9M. */
  readonly runs: number;
  /** Leave the unfinished runs out: the rows that a copy with the default selection carries. */
  readonly finishedOnly: boolean;
}

/** A generated 2.10.5 database, made once per server and then kept. Gives its name. */
export async function benchSource(spec: SourceSpec): Promise<string> {
  const name = `crosswind_bench_v${GENERATOR_VERSION}_${spec.runs}${spec.finishedOnly ? "_finished" : ""}`;
  const args = [String(spec.runs), ...(spec.finishedOnly ? ["--without-unfinished"] : [])];
  return await generated(spec.serverUrl, name, { script: "generate_2_10_5.py", args });
}

/** A 2.10.5 database with that many pickled XComs, no two alike, made once per server and then kept. Gives its name. */
export async function pickleSource(serverUrl: string, count: number): Promise<string> {
  const name = `crosswind_bench_v${GENERATOR_VERSION}_pickles_${count}`;
  return await generated(serverUrl, name, { script: "pickles_2_10_5.py", args: [String(count)] });
}

interface Generator {
  readonly script: string;
  readonly args: readonly string[];
}

async function generated(serverUrl: string, name: string, { script, args }: Generator): Promise<string> {
  if (await hasDatabase(serverUrl, name)) return name;
  const draft = `${name}_draft`;
  const install = await ensureAirflow("2.10.5");
  const fernetKey = await benchFernetKey();
  const database = await freshDatabase({ serverUrl, name: draft, install, fernetKey });
  const home = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  try {
    const extra = {
      AIRFLOW__CORE__DAGS_FOLDER: join(home, "dags"),
      AIRFLOW__CORE__ENABLE_XCOM_PICKLING: script.startsWith("pickles") ? "True" : "False",
      AIRFLOW__LOGGING__LOGGING_LEVEL: "WARNING",
    };
    const env = install.env({ databaseUrl: database.url, home, fernetKey, extra });
    const path = fileURLToPath(new URL(script, import.meta.url));
    process.stderr.write(await run(install.python, [path, ...args], { env, cwd: home, timeoutMs: GENERATE_LIMIT_MS }));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  await query(serverUrl, `alter database "${draft}" rename to "${name}"`);
  return name;
}

/** The empty, migrated target of a release: made once by its own `airflow db migrate`, then copied. */
export async function emptyTarget(serverUrl: string, release: string, name: string): Promise<string> {
  const install = await ensureAirflow(release);
  const database = await freshDatabase({ serverUrl, name, install, fernetKey: await benchFernetKey() });
  return database.url;
}

/** A copy of a database, files and all. Nobody may use the original meanwhile. */
export async function cloneDatabase(serverUrl: string, from: string, name: string): Promise<string> {
  await dropDatabase(serverUrl, name);
  await query(serverUrl, `create database "${name}" template "${from}" strategy file_copy`);
  return withDatabase(serverUrl, name);
}

export interface SourceFacts {
  readonly rows: number;
  readonly taskInstances: number;
  /** Of the whole database, indexes included. */
  readonly bytes: number;
}

/** What a database holds, counted. */
export async function sourceFacts(serverUrl: string, name: string): Promise<SourceFacts> {
  const url = withDatabase(serverUrl, name);
  const tables = await query<{ table: string }>(
    url,
    `select quote_ident(relname) as table from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  );
  const counts = tables.map(({ table }) => `(select count(*) from ${table})`).join(" + ");
  const [row] = await query<{ rows: string; tis: string; bytes: string }>(
    url,
    `select ${counts} as rows, (select count(*) from task_instance) as tis, pg_database_size(current_database()) as bytes`,
  );
  return { rows: Number(row?.rows), taskInstances: Number(row?.tis), bytes: Number(row?.bytes) };
}

async function hasDatabase(serverUrl: string, name: string): Promise<boolean> {
  return (await query(serverUrl, "select 1 from pg_database where datname = $1", [name])).length === 1;
}
