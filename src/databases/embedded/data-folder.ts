import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Cluster, failure, SUPERUSER } from "./cluster.ts";
import type { Places } from "./places.ts";
import { codeOf } from "./postmaster.ts";
import { startProgram } from "./run-program.ts";
import { stopServer } from "./server.ts";

/**
 * Makes the data folder, if there is none, and returns the superuser's password.
 *
 * The folder gets its name when it is complete, so one that is there is whole. One whose password was lost (with the
 * rest of `.crosswind`, mostly) is of no use, but never deleted: it is set aside under another name.
 */
export async function ensureInitialised(cluster: Cluster): Promise<string> {
  const { dataDir, passwordFile } = cluster.places;
  const known = await readFile(passwordFile, "utf8").catch(() => "");
  const isMade = await hasData(dataDir);
  if (known !== "" && isMade) {
    return known;
  }
  if (isMade) {
    await stopServer(cluster);
    await rename(dataDir, `${dataDir}.aside-${randomBytes(6).toString("hex")}`);
  }
  return makeDataFolder(cluster);
}

async function makeDataFolder(cluster: Cluster): Promise<string> {
  const { dataDir, passwordFile } = cluster.places;
  const partial = `${dataDir}.partial`;
  const password = randomBytes(24).toString("base64url");
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  await giveToAccount(cluster.places, partial);
  await runInitdb(cluster, partial, password);
  await writeFile(passwordFile, password, { mode: 0o600 });
  await chmod(passwordFile, 0o600);
  await rename(partial, dataDir);
  return password;
}

async function hasData(dataDir: string): Promise<boolean> {
  const text = await readFile(join(dataDir, "PG_VERSION"), "utf8").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") {
      return "";
    }
    // Not ours to read: never take that for an empty folder.
    throw error;
  });
  return text !== "";
}

async function giveToAccount({ account }: Places, path: string): Promise<void> {
  if (account !== undefined) {
    await chown(path, account.uid, account.gid);
  }
}

async function runInitdb(cluster: Cluster, dataDir: string, password: string): Promise<void> {
  const { places, binaries } = cluster;
  // The folder around the data is writable for us alone, so nobody can swap this file for a link.
  const passwordInput = join(dirname(dataDir), `.initdb-${randomBytes(6).toString("hex")}`);
  await writeFile(passwordInput, password, { mode: 0o600, flag: "wx" });
  try {
    await giveToAccount(places, passwordInput);
    const { ended } = await startProgram({
      program: binaries.initdb,
      args: initdbArgs(dataDir, passwordInput, cluster.settings),
      account: places.account,
      logFile: places.logFile,
    });
    const end = await ended;
    if (end.code !== 0) {
      throw await failure(cluster, "making its data folder", end);
    }
  } finally {
    await rm(passwordInput, { force: true });
  }
}

function initdbArgs(dataDir: string, passwordInput: string, settings: Cluster["settings"]): readonly string[] {
  return [
    `--pgdata=${dataDir}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordInput}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Postgres's own C.UTF-8: the same order and case rules on every machine, whatever locales it has.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    ...(settings["fsync"] === "off" ? ["--no-sync"] : []),
  ];
}
