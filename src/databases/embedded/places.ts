import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Account, type EmbeddedHost, isOwnFolder, mayReach } from "./host.ts";

/** Where everything of one embedded Postgres is. Absolute paths. */
export interface Places {
  /** Held (locked) by whoever starts or stops the server. */
  readonly lockFile: string;
  /** JSON, {@link EmbeddedRecord}: for people and for the next command. */
  readonly recordFile: string;
  /** Mode 600. */
  readonly passwordFile: string;
  readonly logFile: string;
  readonly dataDir: string;
  /** Where the binaries are copied to when they cannot be used where npm put them. */
  readonly copyDir: string;
  /** Who the server runs as; undefined: as ourselves. */
  readonly account: Account | undefined;
}

/** What is written down about a server, so that the next command finds it. */
export interface EmbeddedRecord {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly dataDir: string;
  readonly binDir: string;
  readonly uid: number;
}

/** Thrown when no folder can be used; becomes a problem one level up. */
export class NoPlace extends Error {
  override readonly name = "NoPlace";
}

/**
 * Decides where the embedded Postgres `name` lives, and makes the folders around it.
 *
 * All below `<homeDir>/.crosswind`; only for root, and only when the server's account cannot get there, data and
 * binaries go to a folder outside that only root can write to.
 */
export async function findPlaces(
  homeDir: string,
  name: string,
  host: EmbeddedHost,
  account?: Account,
): Promise<Places> {
  const own = join(homeDir, ".crosswind");
  await mkdir(own, { recursive: true, mode: account === undefined ? 0o700 : 0o711 });
  const at = (file: string) => join(own, `embedded-${name}${file}`);
  const base = account === undefined ? own : await reachableBase(own, name, host, account);
  const dataDir = join(await realpath(base), `postgres-${name}`);
  return {
    lockFile: at(".lock"),
    recordFile: at(".json"),
    passwordFile: at(".password"),
    logFile: at(".log"),
    dataDir,
    copyDir: base,
    account: await ownerOf(dataDir, account),
  };
}

/** The data folder's owner wins over the usual account, so that root can use the server of the user whose checkout it is. */
async function ownerOf(dataDir: string, account: Account | undefined): Promise<Account | undefined> {
  const facts = account === undefined ? undefined : await stat(dataDir).catch(() => undefined);
  return facts === undefined || facts.uid === 0 ? account : { uid: facts.uid, gid: facts.gid };
}

async function reachableBase(own: string, name: string, host: EmbeddedHost, account: Account): Promise<string> {
  const outside = await outsideName(own);
  const candidates = host.outsideDirs.map((dir) => join(dir, outside));
  const before = (await readRecord(join(own, `embedded-${name}.json`)))?.dataDir;
  const kept = [own, ...candidates].find((dir) => before === join(dir, `postgres-${name}`));
  if (kept !== undefined && (await isOwnFolder(kept, host.uid)) && (await mayReach(account, kept))) {
    return kept;
  }
  if (await mayReach(account, await realpath(own))) {
    return own;
  }
  for (const [index, dir] of host.outsideDirs.entries()) {
    if (await mayReach(account, dir)) {
      return makeOwnFolder(candidates[index] ?? dir, host.uid);
    }
  }
  throw new NoPlace(
    `no folder that the user id ${account.uid} can reach: tried ${[own, ...host.outsideDirs].join(", ")}`,
  );
}

/** One name per home folder, the same every time, so that a lost record does not lose the data. */
async function outsideName(own: string): Promise<string> {
  const hash = createHash("sha256").update(await realpath(own));
  return `crosswind-${hash.digest("hex").slice(0, 16)}`;
}

async function makeOwnFolder(path: string, uid: number): Promise<string> {
  if ((await lstat(path).catch(() => undefined)) === undefined) {
    await mkdir(path, { mode: 0o711 });
    // mkdir's mode is cut by the umask, and a folder of mode 700 is of no use here.
    await chmod(path, 0o711);
  }
  if (!(await isOwnFolder(path, uid))) {
    throw new NoPlace(`${path} is there already, and others can write to it: remove it`);
  }
  return path;
}

/** The record of the last server, or undefined when there is none or it cannot be read. */
export async function readRecord(recordFile: string): Promise<EmbeddedRecord | undefined> {
  const text = await readFile(recordFile, "utf8").catch(() => "null");
  try {
    const value: unknown = JSON.parse(text);
    // Only paths are used from it, and each is checked before use; a file of another shape gives undefined paths.
    return value === null ? undefined : (value as EmbeddedRecord);
  } catch {
    return undefined;
  }
}
