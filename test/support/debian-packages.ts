import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withLock } from "../../src/databases/embedded/lock.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const COMPLETE = ".crosswind-complete";

/** Programs of a Debian release that is not this machine's, unpacked in a folder of their own. */
export interface UnpackedPackages {
  /** The folder that stands for `/`. */
  readonly root: string;
  /** Makes a command of a program in it, with the libraries that came with it: nothing of this machine's is used. */
  command(program: string, args: readonly string[]): readonly [string, ...string[]];
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** Debian's archive, or the mirror of it that this machine's apt uses; undefined where it uses none. */
async function archive(): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)("apt-get", ["indextargets", "--format", "$(REPO_URI)"]);
  return stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
}

async function reasonAgainst(): Promise<string | undefined> {
  if (process.platform !== "linux") return "Debian's packages run on Linux alone";
  const hasApt = await promisify(execFile)("apt-get", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!hasApt) return "there is no apt-get, which brings Debian's packages";
  if ((await archive()) === undefined) return "apt knows no archive of Debian's";
  return (await isThere(KEYRING)) ? undefined : "there is no keyring of Debian's archive (debian-archive-keyring)";
}

/** Why packages can not be had here, or undefined where they can. Meant for a loud "not run"; throws in CI, where nobody would read it. */
export async function whyNoPackages(): Promise<string | undefined> {
  const reason = await reasonAgainst();
  if (reason !== undefined && process.env["CI"]) throw new Error(`NOT RUN: ${reason}`);
  return reason;
}

/** apt with lists, status and archives of its own, so that nothing of this machine changes. It verifies what it downloads. */
async function apt(home: string, args: readonly string[]): Promise<void> {
  const options = {
    "Dir::State": join(home, "state"),
    "Dir::State::status": join(home, "status"),
    "Dir::Cache": join(home, "cache"),
    "Dir::Etc::sourcelist": join(home, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "APT::Sandbox::User": "",
    "APT::Install-Recommends": "false",
    "Debug::NoLocking": "true",
  };
  const given = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await promisify(execFile)("apt-get", ["-qq", "-y", ...given, ...args], { maxBuffer: 64 * 1024 * 1024 });
}

async function download(home: string, suite: string, names: readonly string[]): Promise<readonly string[]> {
  for (const folder of ["state/lists/partial", "cache/archives/partial"])
    await mkdir(join(home, folder), { recursive: true });
  await writeFile(join(home, "status"), "");
  await writeFile(join(home, "sources.list"), `deb [signed-by=${KEYRING}] ${await archive()} ${suite} main\n`);
  await apt(home, ["update"]);
  await apt(home, ["install", "--download-only", ...names]);
  const archives = join(home, "cache/archives");
  return (await readdir(archives)).filter((name) => name.endsWith(".deb")).map((name) => join(archives, name));
}

async function unpack(suite: string, names: readonly string[], folder: string): Promise<void> {
  const [home, root] = [`${folder}.apt`, `${folder}.partial`];
  for (const each of [home, root, folder]) await rm(each, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  for (const file of await download(home, suite, names)) await promisify(execFile)("dpkg-deb", ["-x", file, root]);
  await rm(home, { recursive: true });
  await writeFile(join(root, COMPLETE), `${names.join(" ")}\n`);
  await rename(root, folder);
}

/** Folders in which a program finds its libraries, and the loader that looks there. */
async function loaderOf(root: string): Promise<{ readonly loader: string; readonly libraries: readonly string[] }> {
  const [triplet, name] =
    process.arch === "arm64"
      ? ["aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"]
      : ["x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"];
  const libraries = [join(root, "usr/lib", triplet), join(root, "lib", triplet)];
  const usr = join(root, "usr", name);
  return { loader: (await isThere(usr)) ? usr : join(root, name), libraries };
}

/**
 * Unpacks the newest packages of a Debian suite with everything that they depend on into the cache folder of the tests
 * (`CROSSWIND_AIRFLOW_CACHE`, default `~/.cache/airflow-crosswind`), unless they are there. Several processes may ask at once.
 */
export async function unpackedPackages(suite: string, names: readonly string[]): Promise<UnpackedPackages> {
  const cache = process.env["CROSSWIND_AIRFLOW_CACHE"] ?? join(homedir(), ".cache", "airflow-crosswind");
  const home = join(cache, "debian");
  await mkdir(home, { recursive: true });
  const root = join(home, `${suite}-${names.join("+")}`);
  await withLock(`${root}.lock`, undefined, async () => {
    if (!(await isThere(join(root, COMPLETE)))) await unpack(suite, names, root);
  });
  const { loader, libraries } = await loaderOf(root);
  return {
    root,
    command: (program, args) => [loader, "--library-path", libraries.join(":"), join(root, program), ...args],
  };
}
