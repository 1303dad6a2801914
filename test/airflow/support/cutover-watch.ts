import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";

/** What both sides were seen to be, at one moment, for one DAG. */
export interface PausedSample {
  readonly atMs: number;
  readonly dag: string;
  readonly source: boolean;
  readonly target: boolean;
}

export interface PausedWatch extends AsyncDisposable {
  /** How often it has looked so far. */
  readonly looks: () => number;
  /** DAGs that were unpaused on both sides at once. */
  readonly doubled: () => readonly PausedSample[];
  /** Milliseconds for which a DAG was seen paused on both sides since a moment, by DAG: its longest stretch. */
  readonly pausedMs: (sinceMs: number) => Readonly<Record<string, number>>;
}

const EVERY_MS = 200;

/** Looks at both databases five times a second, by connections of its own. */
export async function watchPaused(sourceUrl: string, targetUrl: string): Promise<PausedWatch> {
  const [source, target] = [sourceUrl, targetUrl].map((connectionString) => new Client({ connectionString }));
  if (source === undefined || target === undefined) throw new Error("Two sides are watched.");
  await Promise.all([source.connect(), target.connect()]);
  const samples: PausedSample[] = [];
  let looks = 0;
  const stop = new AbortController();
  const read = async (client: Client) => {
    const { rows } = await client.query<{ dag_id: string; is_paused: boolean }>("select dag_id, is_paused from dag");
    return new Map(rows.map((row) => [row.dag_id, row.is_paused]));
  };
  const look = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      // The target first: what is unpaused there had to be paused on the source before.
      const [onTarget, onSource] = [await read(target), await read(source)];
      const atMs = Date.now();
      looks += 1;
      for (const [dag, isPaused] of onSource)
        samples.push({ atMs, dag, source: isPaused, target: onTarget.get(dag) ?? true });
      await sleep(EVERY_MS);
    }
  };
  const looking = look();
  return {
    looks: () => looks,
    doubled: () => samples.filter((each) => !each.source && !each.target),
    pausedMs: (sinceMs) => longestStretches(samples.filter(({ atMs }) => atMs >= sinceMs)),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await looking;
      await Promise.all([source.end(), target.end()]);
    },
  };
}

function longestStretches(samples: readonly PausedSample[]): Readonly<Record<string, number>> {
  const byDag = Map.groupBy(samples, ({ dag }) => dag);
  return Object.fromEntries([...byDag].map(([dag, seen]) => [dag, longestStretch(seen)]));
}

function longestStretch(seen: readonly PausedSample[]): number {
  let longest = 0;
  let began: number | undefined;
  for (const { atMs, source, target } of seen) {
    if (source && target) {
      began ??= atMs;
      longest = Math.max(longest, atMs - began);
    } else began = undefined;
  }
  return longest;
}
