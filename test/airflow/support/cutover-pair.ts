import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isInRange } from "../../../src/domain/release.ts";
import { plainKindsFile, rareKindsFile, type SchedulingAirflow, startScheduling } from "./cutover-environment.ts";
import { isQuick, type Kind, kindsOf } from "./cutover-kinds.ts";
import { type CutoverMigration, openMigration } from "./cutover-migration.ts";
import { type PausedWatch, watchPaused } from "./cutover-watch.ts";
import { waitFor } from "./processes.ts";
import type { ReleaseName } from "./releases.ts";

const SOURCE_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const TARGET_KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";

export interface Pair {
  readonly from: ReleaseName;
  readonly to: ReleaseName;
  /** Which DAGs. */
  readonly files: readonly Kind["file"][];
}

/** Two Airflows that work, with a copy of the history that was there some time ago. */
export interface WorkingPair extends AsyncDisposable {
  readonly source: SchedulingAirflow;
  readonly target: SchedulingAirflow;
  readonly migration: CutoverMigration;
  readonly paused: PausedWatch;
  /** Keeps what is held under that name waiting, or lets it go. */
  readonly hold: (name: "work" | "change") => Promise<void>;
  readonly letGo: (name: "work" | "change") => Promise<void>;
}

/** A scheduler of 1.10 needs a process and a round of its loop for every task. */
const HISTORY_MS = 1_000_000;

/** A moment as the DAG file takes it: that many minutes ago. */
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 16);

interface Done {
  readonly dag: string;
  readonly done: number;
  readonly open: number;
}

async function done(airflow: SchedulingAirflow): Promise<readonly Done[]> {
  return await airflow.query<Done>(`select dag_id as dag, count(*) filter (where state = 'success')::int as done,
    count(*) filter (where state <> 'success')::int as open from dag_run group by 1 order by 1`);
}

/** Until every DAG has runs that have ended, and what lay in the past when the source began is done. */
async function hasHistory(source: SchedulingAirflow, kinds: readonly Kind[]): Promise<void> {
  const probe = async (): Promise<true | undefined> => {
    await source.assertAlive();
    const have = new Map((await done(source)).map((row) => [row.dag, row]));
    const isThere = kinds.every(({ dag, history = 1 }) => (have.get(dag)?.done ?? 0) >= history);
    const caughtUp = kinds.filter(isQuick).every(({ dag }) => (have.get(dag)?.open ?? 9) <= 1);
    return isThere && caughtUp ? true : undefined;
  };
  const describeIt = async () => `${JSON.stringify(await done(source))}\n${await source.tails()}`;
  await waitFor(probe, { timeoutMs: HISTORY_MS, describe: describeIt });
}

interface Holds extends AsyncDisposable {
  readonly dir: string;
}

async function openHolds(): Promise<Holds> {
  const dir = await mkdtemp(join(tmpdir(), "crosswind-holds-"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

/** Starts both sides, waits for the source's history, copies it, and lets the source go on: there is something that only the delta brings. */
export async function openPair(serverUrl: string, { from, to, files }: Pair): Promise<WorkingPair> {
  await using started = new AsyncDisposableStack();
  const kinds = kindsOf([from, to], files);
  const dagIds = kinds.map(({ dag }) => dag);
  const holds = started.use(await openHolds());
  const hold = (name: string) => writeFile(join(holds.dir, name), "");
  await mkdir(holds.dir, { recursive: true });
  await hold("change");
  const common = {
    serverUrl,
    dagFiles: files.map((file) => (file === "plain" ? plainKindsFile : rareKindsFile)),
    start: minutesAgo(5),
    holdsDir: holds.dir,
    // XComs of 1.10 are pickles, which a later release reads with this setting only.
    extra: isInRange(from, "<2.0") ? { AIRFLOW__CORE__ENABLE_XCOM_PICKLING: "True" } : {},
  };
  const hasPlugin = (release: ReleaseName) => files.includes("rare") && isInRange(release, ">=2.2");
  const name = (side: string) => `cutover_${side}_${from}_${to}`.replaceAll(".", "_");
  const here = { release: from, name: name("source"), fernetKey: SOURCE_KEY, isPausedAtCreation: false };
  const source = started.use(await startScheduling({ ...common, ...here, hasPlugin: hasPlugin(from) }));
  await source.parsed(dagIds);
  for (const { dag, isTriggered } of kinds) if (isTriggered === true) await source.trigger(dag);
  const there = { release: to, name: name("target"), fernetKey: TARGET_KEY, isPausedAtCreation: true };
  const target = started.use(await startScheduling({ ...common, ...there, hasPlugin: hasPlugin(to) }));
  await target.parsed(dagIds);
  await hasHistory(source, kinds);
  const migration = started.use(await openMigration(source, target));
  await migration.run("plan", "--on-conflict", "asset=keep-target");
  await migration.run("apply");
  await sleep(65_000);
  const paused = started.use(await watchPaused(source.databaseUrl, target.databaseUrl));
  const kept = started.move();
  return {
    source,
    target,
    migration,
    paused,
    hold,
    letGo: (held) => rm(join(holds.dir, held)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
