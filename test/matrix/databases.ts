import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  copyDatabase,
  dropDatabase,
  freshDatabase,
  query,
  type TestDatabase,
  withDatabase,
} from "../airflow/support/databases.ts";
import { type AirflowInstall, ensureAirflow } from "../airflow/support/install.ts";
import { type Environment, run } from "../airflow/support/processes.ts";
import { keepDump, restoreDump } from "./dump-cache.ts";
import { type Path, releaseOf } from "./environments.ts";

export const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
export const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";

/** The matrix's scripts for a release's own Python, and those of the main job's tests that they use. */
const pythonFolder = fileURLToPath(new URL("python/", import.meta.url));
const sharedFolder = fileURLToPath(new URL("../airflow/python/", import.meta.url));
const dagFolder = fileURLToPath(new URL("dags/", import.meta.url));

export interface ScriptOptions {
  readonly install: AirflowInstall;
  readonly databaseUrl: string;
  readonly fernetKey: string;
  readonly script: string;
  readonly extra?: Environment;
}

/** Runs one of the matrix's scripts by a release's own Python; gives the last line of what it prints. */
export async function runScript(options: ScriptOptions): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "crosswind-matrix-"));
  try {
    // Everybody is an admin of releases before 3.0, which have no simple auth manager.
    await writeFile(join(home, "webserver_config.py"), "AUTH_ROLE_PUBLIC = 'Admin'\n");
    const env = options.install.env({ ...options, home, extra: { ...settings(home), ...options.extra } });
    const output = await run(options.install.python, [join(pythonFolder, options.script)], { env, cwd: home });
    return output.trimEnd().split("\n").at(-1) ?? "";
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function settings(home: string): Environment {
  return {
    PYTHONPATH: `${pythonFolder}:${sharedFolder}`,
    PYTHONDONTWRITEBYTECODE: "1",
    AIRFLOW__CORE__DAGS_FOLDER: dagFolder,
    AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
    // Values that were pickled on the source are pickles on a target before 3.0, too.
    AIRFLOW__CORE__ENABLE_XCOM_PICKLING: "True",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS: "True",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE: join(home, "passwords.json"),
    AIRFLOW__API__AUTH_BACKEND: "airflow.api.auth.backend.default",
    AIRFLOW__API__AUTH_BACKENDS: "airflow.api.auth.backend.default",
    AIRFLOW__API__SECRET_KEY: "for tests only, no secret at all, 64 bytes long or more, as wanted",
    AIRFLOW__API_AUTH__JWT_SECRET: "for tests only, no secret at all, 64 bytes long or more, as wanted",
    AIRFLOW__WEBSERVER__SECRET_KEY: "for tests only",
    AIRFLOW__WEBSERVER__UPDATE_FAB_PERMS: "False",
    AIRFLOW__FAB__UPDATE_FAB_PERMS: "False",
    AIRFLOW__LOGGING__LOGGING_LEVEL: "WARNING",
  };
}

function idOf(path: Path): string {
  return path.join("_to_").replaceAll(".", "_");
}

async function exists(serverUrl: string, name: string): Promise<boolean> {
  return (await query(serverUrl, "select 1 from pg_database where datname = $1", [name])).length === 1;
}

/** Makes a database under another name until it is complete, so that an interrupted one is never taken for it. */
async function once(serverUrl: string, name: string, make: (draft: string) => Promise<void>): Promise<string> {
  if (!(await exists(serverUrl, name))) {
    const draft = `${name}_draft`;
    await dropDatabase(serverUrl, draft);
    await make(draft);
    await query(serverUrl, `alter database "${draft}" rename to "${name}"`);
  }
  return name;
}

/** Takes a database from release to release, each step by the release's own command. */
async function upgrade(path: Path, databaseUrl: string, fernetKey: string): Promise<void> {
  for (const release of path.slice(1)) {
    const install = await ensureAirflow(release);
    const home = await mkdtemp(join(tmpdir(), "crosswind-matrix-"));
    try {
      const env = install.env({ databaseUrl, home, fernetKey, extra: settings(home) });
      await run(install.airflow, ["db", "migrate"], { env, cwd: home });
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }
}

/** What the release wrote: changes with the scripts that write it. */
async function contentHash(): Promise<string> {
  const hash = createHash("sha256");
  const dags = (await readdir(dagFolder)).filter((file) => file.endsWith(".py")).map((file) => join(dagFolder, file));
  const scripts = ["content_values.py", "models.py", "write_content.py", "writer.py"].map((file) =>
    join(pythonFolder, file),
  );
  for (const file of [...scripts, ...dags.sort()]) {
    hash.update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 10);
}

async function writeContent(path: Path, serverUrl: string, draft: string): Promise<void> {
  const install = await ensureAirflow(path[0]);
  const database = await freshDatabase({ install, serverUrl, name: draft, fernetKey: SOURCE_KEY });
  const isOld = /^(1\.|2\.[0-4]\.)/.test(path[0]);
  const extra = {
    AIRFLOW__CORE__EXECUTOR: isOld ? "DebugExecutor" : "LocalExecutor",
    // The genuine upgrade from 1.10 refuses some of what 1.10 allows.
    MATRIX_UPGRADABLE: path.length > 1 ? "1" : "0",
  };
  const options = { install, databaseUrl: database.url, fernetKey: SOURCE_KEY, extra };
  await runScript({ ...options, script: "write_content.py" });
  await upgrade(path, database.url, SOURCE_KEY);
}

/** Drops what earlier versions of the scripts made of the same path. */
async function dropOutdated(path: Path, serverUrl: string, name: string): Promise<void> {
  const outdated = await query<{ datname: string }>(
    serverUrl,
    "select datname from pg_database where datname ~ $1 and datname <> $2",
    [`^crosswind_matrix_${idOf(path)}_[0-9a-f]{10}$`, name],
  );
  for (const { datname } of outdated) await dropDatabase(serverUrl, datname);
}

/** The name of a database with all content of the path's first release; made once per version of the scripts. */
export async function contentDatabase(path: Path, serverUrl: string): Promise<string> {
  const name = `crosswind_matrix_${idOf(path)}_${await contentHash()}`;
  return once(serverUrl, name, async (draft) => {
    await dropOutdated(path, serverUrl, name);
    if (await restoreDump(serverUrl, name, draft)) return;
    await writeContent(path, serverUrl, draft);
    await keepDump(serverUrl, name, draft);
  });
}

/** The name of an empty database, as the path's releases make it; with the roles that the API of a release before 3.0 asks for. */
async function emptyTemplate(path: Path, serverUrl: string): Promise<string> {
  return once(serverUrl, `crosswind_matrix_empty_${idOf(path)}`, async (draft) => {
    const first = await ensureAirflow(path[0]);
    const database = await freshDatabase({ install: first, serverUrl, name: draft, fernetKey: TARGET_KEY });
    await upgrade(path, database.url, TARGET_KEY);
    if (!releaseOf(path).startsWith("3.")) {
      const install = await ensureAirflow(releaseOf(path));
      const extra = { AIRFLOW__WEBSERVER__UPDATE_FAB_PERMS: "True", AIRFLOW__FAB__UPDATE_FAB_PERMS: "True" };
      const options = { install, databaseUrl: database.url, fernetKey: TARGET_KEY, extra };
      await runScript({ ...options, script: "make_roles.py" });
    }
  });
}

/** A database for one copy, dropped at the end of its scope. */
export async function emptyDatabase(path: Path, serverUrl: string, name: string): Promise<TestDatabase> {
  return copyDatabase(serverUrl, await emptyTemplate(path, serverUrl), name);
}

export function urlOf(serverUrl: string, name: string): string {
  return withDatabase(serverUrl, name);
}
