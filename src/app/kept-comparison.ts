import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sql } from "../domain/entity.ts";
import type { Digests } from "../engine/verify/digests.ts";
import type { KeptDigests } from "../engine/verify/kept-digests.ts";

const FILE = join(".crosswind", "comparison.ndjson");

interface KeptLine {
  /** A digest of the query. */
  readonly query: string;
  readonly at: string;
  readonly digests: readonly (readonly [bucket: number, rows: number, sum: string])[];
}

export interface KeptComparisonOptions {
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  /** What says which two databases are compared, on which servers: what was kept of others is not taken. */
  readonly pair: string;
  /** False: what was kept is forgotten. */
  readonly isResumed: boolean;
  readonly now: () => Date;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Lines of a file whose last one may have been cut when its process was killed. */
function linesOf(text: string): readonly unknown[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** What a comparison has read until now, in a file of `.crosswind/`: sums of hashes, no values. */
export class KeptComparison implements KeptDigests {
  readonly #path: string;
  readonly #now: () => Date;
  readonly #known: ReadonlyMap<string, KeptLine>;
  #since: string | undefined;

  private constructor(path: string, now: () => Date, known: ReadonlyMap<string, KeptLine>) {
    this.#path = path;
    this.#now = now;
    this.#known = known;
  }

  static async open({ homeDir, pair, isResumed, now }: KeptComparisonOptions): Promise<KeptComparison> {
    const path = join(homeDir, FILE);
    const name = digestOf(pair);
    const [header, ...lines] = isResumed ? linesOf(await readFile(path, "utf8").catch(() => "")) : [];
    const isSame = (header as { pair?: string } | undefined)?.pair === name;
    if (!isSame) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${JSON.stringify({ pair: name })}\n`, { mode: 0o600 });
    }
    // Ours, whole and of this pair: what another version wrote is found under no query.
    const known = isSame ? (lines as readonly KeptLine[]) : [];
    return new KeptComparison(path, now, new Map(known.map((line) => [line.query, line])));
  }

  get since(): Date | undefined {
    return this.#since === undefined ? undefined : new Date(this.#since);
  }

  find(query: Sql): Digests | undefined {
    const line = this.#known.get(digestOf(query));
    if (line === undefined) return undefined;
    if (this.#since === undefined || line.at < this.#since) this.#since = line.at;
    return new Map(line.digests.map(([bucket, rows, sum]) => [bucket, { rows, sum: BigInt(sum) }]));
  }

  async keep(query: Sql, digests: Digests): Promise<void> {
    const line: KeptLine = {
      query: digestOf(query),
      at: this.#now().toISOString(),
      digests: [...digests].map(([bucket, { rows, sum }]) => [bucket, rows, String(sum)]),
    };
    await appendFile(this.#path, `${JSON.stringify(line)}\n`);
  }

  /** The comparison has ended: nothing of it is kept. */
  async forget(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
