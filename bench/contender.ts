import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { query } from "../test/airflow/support/databases.ts";

/** The databases of one scale, ready before the first round. */
export interface Bench {
  /** Any database of the server. */
  readonly serverUrl: string;
  /** A source as it is found, 1 % of its runs unfinished. */
  readonly source: string;
  /** The same source without those: the rows that a copy of finished runs carries. */
  readonly finished: string;
  readonly fernetKey: string;
  readonly targetFernetKey: string;
}

/** What one contender did in one round. */
export interface Outcome {
  readonly seconds: number;
  /** Largest resident memory of its own processes (not of the server), where it is known. */
  readonly maxResidentMb?: number;
  /** Rows in the target, where not those of `finished`. */
  readonly rows?: number;
  /** Anything worth keeping beside the figures. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** One way to bring a metadata database into another one. */
export interface Contender {
  readonly name: string;
  readonly what: string;
  /** The contender of ours that it is compared with. Default: `crosswind`. */
  readonly against?: string;
  /** In one round only: it takes too long. */
  readonly isSlow?: boolean;
  /** Why it can not run here; undefined when it can. */
  readonly missing: () => Promise<string | undefined>;
  readonly run: (bench: Bench) => Promise<Outcome>;
}

/** Seconds that the work takes, with dirty pages written first so that nobody pays for whoever came before. */
export async function timed(serverUrl: string, work: () => Promise<unknown>): Promise<number> {
  await query(serverUrl, "checkpoint");
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** True when the program is on the PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

/** Runs a program to its end without keeping its output; throws with the last of its error output when it fails. */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${Buffer.concat(err).toString().slice(-3000)}`);
  return Buffer.concat(out).toString();
}
