import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type UnpackedPackages, unpackedPackages } from "./debian-packages.ts";
import { answers, freePort, type MariadbServer } from "./mariadb.ts";

/** Where the newest of both can be had: Debian's stable release has no MySQL. */
const SUITE = "sid";

export type Product = MariadbServer["product"];

interface Kind {
  readonly packages: readonly string[];
  readonly program: string;
  /** Folder of its messages, character sets and scripts. */
  readonly share: string;
  /** Makes a data folder in which root needs no password. */
  readonly initialise: (packages: UnpackedPackages, options: Options) => Promise<void>;
}

interface Options {
  readonly folder: string;
  /** What every start of the program needs. */
  readonly args: readonly string[];
}

/** Runs a program to its end; `input` is its standard input. Throws with the last that it said. */
async function runToEnd([program, ...args]: readonly [string, ...string[]], input = ""): Promise<void> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-3000);
    });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0)
    throw new Error(`${args.find((each) => !each.startsWith("-")) ?? program} ended with ${code}: ${said}`);
}

/** The statements that `mariadb-install-db` runs, in its order; without them there are no system tables. */
const MARIADB_SYSTEM = [
  "mariadb_system_tables.sql",
  "mariadb_performance_tables.sql",
  "mariadb_system_tables_data.sql",
];

const KINDS: Readonly<Record<Product, Kind>> = {
  MySQL: {
    packages: ["mysql-server-core"],
    program: "usr/sbin/mysqld",
    share: "usr/share/mysql",
    initialise: async (packages, { args }) => {
      await runToEnd(packages.command(KINDS.MySQL.program, [...args, "--initialize-insecure"]));
    },
  },
  MariaDB: {
    packages: ["mariadb-server-core"],
    program: "usr/sbin/mariadbd",
    share: "usr/share/mariadb",
    initialise: async (packages, { args, folder }) => {
      const scripts = await Promise.all(
        MARIADB_SYSTEM.map((name) => readFile(join(packages.root, KINDS.MariaDB.share, name), "utf8")),
      );
      const input = `create database mysql;\nuse mysql;\nset @auth_root_socket = null;\n${scripts.join("\n")}\n`;
      await mkdir(join(folder, "data"));
      await runToEnd(packages.command(KINDS.MariaDB.program, [...args, "--bootstrap"]), input);
    },
  },
};

export interface NewestOptions {
  /** More of the server's settings, as `--require_secure_transport=ON`. */
  readonly settings?: readonly string[];
}

/** Starts the newest MySQL or MariaDB that Debian packages, on a port of its own with an empty data folder; stopped at the end of the scope. */
export async function newestServer(product: Product, { settings = [] }: NewestOptions = {}): Promise<MariadbServer> {
  const { packages: names, program, share, initialise } = KINDS[product];
  const packages = await unpackedPackages(SUITE, names);
  const folder = await mkdtemp(join(tmpdir(), "crosswind-mysql-"));
  const args = [
    "--no-defaults",
    `--basedir=${join(packages.root, "usr")}`,
    `--datadir=${join(folder, "data")}`,
    `--lc-messages-dir=${join(packages.root, share)}`,
    `--character-sets-dir=${join(packages.root, share, "charsets")}`,
    "--secure-file-priv=",
    ...(userInfo().uid === 0 ? ["--user=root"] : []),
  ];
  await initialise(packages, { folder, args }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return await start({ product, folder, command: [program, args, settings], packages });
}

interface Start {
  readonly product: Product;
  readonly folder: string;
  readonly packages: UnpackedPackages;
  readonly command: readonly [program: string, args: readonly string[], settings: readonly string[]];
}

async function start({ product, folder, packages, command: [program, args, settings] }: Start): Promise<MariadbServer> {
  const port = await freePort();
  const own = [`--port=${port}`, "--bind-address=127.0.0.1", `--socket=${join(folder, "s")}`, ...settings];
  const [file, ...rest] = packages.command(program, [...args, ...own]);
  const child = spawn(file, rest, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-3000);
  });
  const stop = async () => {
    const ended = once(child, "exit");
    if (child.exitCode === null && child.kill()) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let waited = 0; !(await answers(port)); waited += 1) {
    if (waited > 300 || child.exitCode !== null) {
      await stop();
      throw new Error(`${product} did not start: ${said}`);
    }
    await sleep(100);
  }
  return { port, product, [Symbol.asyncDispose]: stop };
}
