// Finds a Node that can run Crosswind, on a machine whose own Node is older.
// Plain JavaScript for Node 20 and newer: it runs before there is anything better.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED = 24;
export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packageDir = join(root, "node_modules", "node");
const executable = process.platform === "win32" ? "node.exe" : "node";

/** The path of a Node that is new enough: this one, else the one of the package `node`, else undefined. */
export function findNode() {
  if (Number(process.versions.node.split(".")[0]) >= NEEDED) {
    return process.execPath;
  }
  return packagedNode();
}

/** The Node of the package `node`, when it is there. */
export function packagedNode() {
  const path = join(packageDir, "bin", executable);
  return existsSync(path) ? path : undefined;
}

/**
 * Puts the package's Node in place where install scripts were not allowed, by running the very script that npm left out.
 * Returns false when there is no such package, or when it did not work (npm has said why).
 */
export function installPackagedNode() {
  const script = join(packageDir, "installArchSpecificPackage.js");
  if (!existsSync(script)) {
    return false;
  }
  const { npm_config_prefix: _, npm_config_local_prefix: __, npm_config_ignore_scripts: ___, ...env } = process.env;
  // Its npm fetches a second package into node_modules/node; what it prints would land in our output.
  const run = spawnSync(process.execPath, [script], { cwd: packageDir, env, stdio: ["ignore", "ignore", "inherit"] });
  return run.status === 0 && packagedNode() !== undefined;
}

/** Puts the package's Node on the PATH of npm scripts, where npm found nothing to link while installing. */
export function linkPackagedNode() {
  const link = join(root, "node_modules", ".bin", "node");
  if (packagedNode() !== undefined && process.platform !== "win32" && !existsSync(link)) {
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join("..", "node", "bin", "node"), link);
  }
}

/** Runs a script under that Node in place of this process: same terminal, same signals, same exit code. */
export function runInstead(node, args) {
  const child = spawn(node, args, { stdio: "inherit" });
  const isTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to both of us: passed on, it would count twice.
    process.on(signal, () => (signal === "SIGINT" && isTerminal ? undefined : child.kill(signal)));
  }
  child.on("error", (error) => {
    process.stderr.write(`${node}: ${error.message}\n`);
    process.exit(70);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exit(code ?? 70);
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
