#!/usr/bin/env node
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findNode, installPackagedNode, packagedNode, root, runInstead } from "./node24.mjs";

// A checkout runs its sources; an installed package has only what was built from them.
const sources = join(root, "src", "cli", "main.ts");
const main = existsSync(sources) ? sources : join(root, "dist", "cli", "main.js");

const node = findNode() ?? (installPackagedNode() ? packagedNode() : undefined);
if (node === undefined) {
  process.stderr.write(
    `crosswind needs Node 24 or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Next: install Node 24 (https://nodejs.org), or, in a checkout, run: npm ci\n",
  );
  process.exit(1);
} else if (node === process.execPath) {
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} else {
  runInstead(node, [main, ...process.argv.slice(2)]);
}
