import type { Binaries } from "./binaries.ts";
import type { Places } from "./places.ts";
import { codeOf } from "./postmaster.ts";
import { EMBEDDED_PLATFORM_UNSUPPORTED, EMBEDDED_POSTGRES_FAILED } from "./problems.ts";
import { type Ended, lastLines } from "./run-program.ts";

/** The superuser of every embedded Postgres. */
export const SUPERUSER = "crosswind";

/** One embedded Postgres: its places, and how it is to be run. */
export interface Cluster {
  readonly name: string;
  readonly places: Places;
  readonly binaries: Binaries;
  /** Server settings that replace ours, as `fsync: "off"`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** The connection string of one of the server's databases. */
export function clusterUrl(port: number, password: string, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** The problem to throw: what the cluster was doing, with the end of its log. */
export async function failure(
  { name, places }: Pick<Cluster, "name" | "places">,
  doing: string,
  end?: Ended,
): Promise<Error> {
  const cause = end?.error;
  if (codeOf(cause) === "ENOENT") {
    const reason = "its programs do not start here (they need the GNU C library)";
    return EMBEDDED_PLATFORM_UNSUPPORTED({ platform: `${process.platform}-${process.arch}`, reason }, { cause });
  }
  const log = await lastLines(places.logFile);
  const said = cause === undefined ? log : [...log, cause.message];
  return EMBEDDED_POSTGRES_FAILED({ name, doing, log: said, logFile: places.logFile }, { cause });
}
