import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Environment, run } from "./processes.ts";
import { releaseNamed } from "./releases.ts";

/** A genuine Airflow, ready to run. */
export interface AirflowInstall {
  readonly release: string;
  /** Absolute path of its interpreter. */
  readonly python: string;
  /** Absolute path of its command line. */
  readonly airflow: string;
  /** The environment variables under which its commands work on one metadata database. */
  readonly env: (settings: EnvironmentSettings) => Environment;
}

export interface EnvironmentSettings {
  /** `postgresql://...` as node-postgres takes it. */
  readonly databaseUrl: string;
  /** Becomes AIRFLOW_HOME: a folder of the test's own. */
  readonly home: string;
  readonly fernetKey: string;
  readonly extra?: Environment;
}

/** Why genuine Airflow cannot be installed here, or undefined when it can. Meant for a loud "not run". */
export async function pythonMissing(): Promise<string | undefined> {
  return (await somePython()) === undefined
    ? "no python3 with pip or venv on the PATH: genuine Airflow cannot be installed"
    : undefined;
}

/**
 * Installs a release into the cache folder (`CROSSWIND_AIRFLOW_CACHE`, default `~/.cache/airflow-crosswind`) unless it
 * is there already. Two processes may ask at once: one installs, the other waits.
 */
export async function ensureAirflow(release: string): Promise<AirflowInstall> {
  releaseNamed(release);
  const cache = process.env["CROSSWIND_AIRFLOW_CACHE"] ?? join(homedir(), ".cache", "airflow-crosswind");
  await mkdir(cache, { recursive: true });
  const folder = join(cache, `airflow-${release}`);
  if (!(await isComplete(folder))) {
    await withLock(`${folder}.lock`, async () => {
      if (!(await isComplete(folder))) {
        await install(release, folder, cache);
      }
    });
  }
  return describe(release, folder);
}

function describe(release: string, folder: string): AirflowInstall {
  const bin = join(folder, "bin");
  return {
    release,
    python: join(bin, "python"),
    airflow: join(bin, "airflow"),
    env: (settings) => ({ ...inherited(bin), ...airflowSettings(settings), ...settings.extra }),
  };
}

function inherited(bin: string): Environment {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(AIRFLOW|PYTHON|VIRTUAL_ENV|VITEST|NODE_OPTIONS)/.test(entry[0]),
  );
  return { ...Object.fromEntries(kept), PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
}

function airflowSettings(settings: EnvironmentSettings): Environment {
  const url = settings.databaseUrl.replace(/^postgres(ql)?:\/\//, "postgresql+psycopg2://");
  return {
    AIRFLOW_HOME: settings.home,
    // Old releases read the first, releases since 2.3 the second.
    AIRFLOW__CORE__SQL_ALCHEMY_CONN: url,
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: url,
    AIRFLOW__CORE__FERNET_KEY: settings.fernetKey,
    AIRFLOW__CORE__LOAD_EXAMPLES: "False",
    AIRFLOW__CORE__LOAD_DEFAULT_CONNECTIONS: "False",
    AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS: "False",
    AIRFLOW__CORE__UNIT_TEST_MODE: "False",
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION: "True",
    AIRFLOW__CORE__DEFAULT_TIMEZONE: "utc",
    // No release may call out while a test runs.
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED: "False",
    SCARF_ANALYTICS: "false",
    DO_NOT_TRACK: "1",
    no_proxy: "*",
    PYTHONUNBUFFERED: "1",
    // macOS: forked workers crash in the system's proxy look-up without it.
    OBJC_DISABLE_INITIALIZE_FORK_SAFETY: "YES",
  };
}

const marker = ".crosswind-complete";

async function isComplete(folder: string): Promise<boolean> {
  return (await readFile(join(folder, marker), "utf8").catch(() => "")) !== "";
}

/** A folder without the marker is either somebody's finished install or the remains of an interrupted one. */
async function install(release: string, folder: string, cache: string): Promise<void> {
  if (!(await works(release, folder))) {
    await rm(folder, { recursive: true, force: true });
    const uv = await ensureUv(cache);
    const { python, excludeNewer, extra } = releaseNamed(release);
    const interpreter = await interpreterFor(python, uv);
    await run(uv, ["venv", "--quiet", "--python", interpreter, folder]);
    const requirements = [`apache-airflow==${release}`, "psycopg2-binary", "pymysql", ...extra];
    const into = ["--python", join(folder, "bin", "python")];
    const args = ["pip", "install", "--quiet", ...into, "--exclude-newer", excludeNewer, ...requirements];
    await run(uv, args, { timeoutMs: 900_000 });
    if (!(await works(release, folder))) {
      throw new Error(`Airflow ${release} was installed into ${folder} but does not start.`);
    }
  }
  const draft = join(folder, `${marker}.${randomUUID()}`);
  await writeFile(draft, `${release}\n`);
  await rename(draft, join(folder, marker));
}

async function works(release: string, folder: string): Promise<boolean> {
  const probe = "import psycopg2; from importlib.metadata import version; print(version('apache-airflow'))";
  const version = await run(join(folder, "bin", "python"), ["-c", probe]).catch(() => "");
  return version.trim() === release;
}

/** uv in an environment of its own; where the venv module is missing, in a plain folder. */
async function ensureUv(cache: string): Promise<string> {
  const folder = join(cache, "uv");
  const uv = join(folder, "bin", "uv");
  if (await starts(uv, ["--version"])) {
    return uv;
  }
  return withLock(`${folder}.lock`, async () => {
    if (await starts(uv, ["--version"])) {
      return uv;
    }
    await rm(folder, { recursive: true, force: true });
    const python = await somePython();
    if (python === undefined) {
      throw new Error((await pythonMissing()) ?? "python3 went away");
    }
    if (await starts(python, ["-m", "venv", folder])) {
      await run(join(folder, "bin", "python"), ["-m", "pip", "install", "--quiet", "uv"]);
    } else {
      await run(python, ["-m", "pip", "install", "--quiet", "--target", folder, "uv"]);
    }
    return uv;
  });
}

/** The path of an interpreter of that minor version, or the version itself: then uv downloads it. */
async function interpreterFor(minor: string, uv: string): Promise<string> {
  const root = await run("pyenv", ["root"])
    .then((out) => out.trim())
    .catch(() => "");
  const versions = root === "" ? [] : await readdir(join(root, "versions")).catch(() => []);
  const kept = versions
    .filter((version) => version.startsWith(`${minor}.`))
    .map((version) => join(root, "versions", version, "bin", "python"));
  const found = await run(uv, ["python", "find", minor])
    .then((out) => [out.trim()])
    .catch(() => []);
  for (const candidate of [...kept, `python${minor}`, ...found]) {
    const check = `import sys; raise SystemExit(sys.version_info[:2] != (${minor.replace(".", ",")}))`;
    if (await starts(candidate, ["-c", check])) {
      return candidate;
    }
  }
  return minor;
}

const canInstall = `import sys
from importlib.util import find_spec
raise SystemExit(sys.version_info < (3, 8) or not (find_spec("pip") or find_spec("ensurepip")))`;

async function somePython(): Promise<string | undefined> {
  for (const candidate of ["python3", "python"]) {
    if (await starts(candidate, ["-c", canInstall])) {
      return candidate;
    }
  }
  return undefined;
}

async function starts(command: string, args: readonly string[]): Promise<boolean> {
  return promisify(execFile)(command, args).then(
    () => true,
    () => false,
  );
}

/** Holds a folder as a lock while `work` runs. A lock whose process is gone is taken over. */
async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  while (!(await taken(lock))) {
    const holder = Number(await readFile(join(lock, "pid"), "utf8").catch(() => "0"));
    if (holder !== 0 && !isAlive(holder)) {
      await rm(lock, { recursive: true, force: true });
    } else {
      await sleep(500);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function taken(lock: string): Promise<boolean> {
  // Prepared beside and renamed, so that a lock never exists without the number of its holder.
  const draft = `${lock}.${randomUUID()}`;
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, "pid"), String(process.pid));
  return rename(draft, lock).then(
    () => true,
    async () => {
      await rm(draft, { recursive: true, force: true });
      return false;
    },
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
