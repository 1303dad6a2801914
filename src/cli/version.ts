import { readFileSync } from "node:fs";

interface Manifest {
  readonly version: string;
}

/** The package's version, as `crosswind --version` prints it and plans record it. Read once; source and build lie equally deep. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Manifest
).version;
