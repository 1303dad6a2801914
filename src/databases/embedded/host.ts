import { lstat, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";

/** A user id with its group id, as the operating system counts them. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** What the embedded Postgres has to know about the machine and the user it runs for. */
export interface EmbeddedHost {
  /** As `process.platform`. */
  readonly platform: string;
  /** As `process.arch`. */
  readonly arch: string;
  /** The user we are. 0 is root, whom Postgres refuses to run as. */
  readonly uid: number;
  /** For root only: folders, best first, for what another account must reach when the home folder is closed to it. */
  readonly outsideDirs: readonly string[];
}

/**
 * The facts about this process's machine and user.
 *
 * @param keep "durable" for data that must outlive a restart of the machine, "throwaway" for tests and demonstrations
 */
export function thisHost(keep: "durable" | "throwaway"): EmbeddedHost {
  const temporary = [tmpdir(), "/tmp", "/var/tmp"];
  return {
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.() ?? -1,
    outsideDirs: keep === "durable" ? ["/var/lib", "/var/tmp", ...temporary] : temporary,
  };
}

/**
 * The account an embedded Postgres runs under: nobody else's, so undefined ("as ourselves"), except for root,
 * for whom it is an unprivileged account that every system has. Accounts are never created.
 */
export async function serverAccount(host: EmbeddedHost): Promise<Account | undefined> {
  if (host.uid !== 0) {
    return undefined;
  }
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  return parseAccount(passwd, "nobody") ?? parseAccount(passwd, "daemon") ?? { uid: 65_534, gid: 65_534 };
}

/** The account of that name in the text of an /etc/passwd (passwd(5)); undefined when there is none or it is root. */
export function parseAccount(passwd: string, name: string): Account | undefined {
  const fields = passwd
    .split("\n")
    .map((line) => line.split(":"))
    .find((line) => line[0] === name);
  const uid = Number(fields?.[2]);
  const gid = Number(fields?.[3]);
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid, gid } : undefined;
}

/** True when the account may enter every folder down to `path`, and `path` itself. Looks at modes only, not at ACLs. */
export async function mayReach(account: Account, path: string): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined || !mayEnter(account, facts)) {
    return false;
  }
  const parent = dirname(path);
  return parent === path || mayReach(account, parent);
}

/** What `stat` says that decides who may enter a folder or run a file. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** True when the mode's execute bit for this account is set: the owner's, else the group's, else everybody's. */
export function mayEnter(account: Account, facts: Ownership): boolean {
  if (facts.uid === account.uid) {
    return (facts.mode & 0o100) !== 0;
  }
  return (facts.mode & (facts.gid === account.gid ? 0o010 : 0o001)) !== 0;
}

/** True for a real folder (no link) of that user that nobody else can write to: so nobody else can have put files there. */
export async function isOwnFolder(path: string, uid: number): Promise<boolean> {
  const facts = await lstat(path).catch(() => undefined);
  return facts !== undefined && facts.isDirectory() && facts.uid === uid && (facts.mode & 0o022) === 0;
}
