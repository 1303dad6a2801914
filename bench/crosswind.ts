import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dropDatabase, emptyDatabase, withDatabase } from "../test/airflow/support/databases.ts";
import { pythonMissing } from "../test/airflow/support/install.ts";
import { runCli } from "../test/support/run-cli.ts";
import { type Bench, type Contender, type Outcome, timed } from "./contender.ts";
import { emptyTarget } from "./source.ts";

const TARGET = "crosswind_bench_target";
const STATE = "crosswind_bench_state";
const LIMIT_MS = 7_200_000;
const PROBE = new URL("memory-probe.mjs", import.meta.url).href;

/** What `crosswind apply --json` prints, as far as it is wanted here. */
interface ApplyResult {
  readonly entities: readonly { readonly entity: string; readonly rows: number; readonly bytes: number }[];
  readonly changed: readonly { readonly entity: string; readonly kind: string; readonly count: number }[];
  readonly indexesRebuilt: number;
}

interface ProbeResult {
  readonly maxResidentMb: number;
  readonly cpuSeconds: number;
}

/** An apply by its figures. */
export interface Applied extends ProbeResult {
  readonly planSeconds: number;
  readonly seconds: number;
  readonly rows: number;
  /** Bytes of COPY data that were written. */
  readonly bytes: number;
  /** Seconds that each phase took. */
  readonly phases: Readonly<Record<string, number>>;
  /** Seconds from the last chunk of task instances to the last of XComs. */
  readonly xcomSeconds: number;
  readonly result: ApplyResult;
}

/** A command of the tool on the databases of a bench, and how it ended. */
export type RunCommand = (args: readonly string[]) => Promise<CliOutput>;

export interface ApplyOptions {
  /** Gets the empty target ready, and whatever is to be there as long as the apply lasts. */
  readonly prepare?: (targetUrl: string) => Promise<AsyncDisposable>;
  /** What is to be done with the target before it is dropped. */
  readonly after?: (run: RunCommand) => Promise<void>;
  /** Chunks at once. Default 2. */
  readonly lanes?: number;
  /** Patterns of entities. Default: all. */
  readonly entities?: readonly string[];
}

/** What a command printed. */
export interface CliOutput {
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

/** Differences are a result, too: the source of a bench may have changed since. */
const FOUND_DIFFERENCES = 3;

async function crosswindCommand(args: readonly string[], folder: string, env: Environment): Promise<CliOutput> {
  const { code, stdout, stderr } = await runCli(args, { cwd: folder, env, timeoutMs: LIMIT_MS });
  if (code !== 0 && !(args[0] === "verify" && code === FOUND_DIFFERENCES))
    throw new Error(`crosswind ${args.join(" ")} ended with ${code}:\n${stdout}\n${stderr.slice(-3000)}`);
  return { stdout, stderr };
}

interface EventLine {
  readonly at: string;
  readonly kind: string;
  readonly phase?: string;
  readonly entity?: string;
}

function eventsOf(stderr: string): readonly EventLine[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as EventLine);
}

/** How long each phase took, from the event lines of `--json`; the last one until the process ended. */
function phasesOf(events: readonly EventLine[], ended: number): Readonly<Record<string, number>> {
  const begun = events.filter(({ kind }) => kind === "phase");
  return Object.fromEntries(
    begun.map(({ phase = "", at }, index) => {
      const next = begun[index + 1]?.at;
      return [phase, ((next === undefined ? ended : Date.parse(next)) - Date.parse(at)) / 1000];
    }),
  );
}

function xcomSecondsOf(events: readonly EventLine[]): number {
  const lastOf = (id: string) => events.findLast(({ kind, entity }) => kind === "chunk" && entity === id)?.at ?? "";
  return (Date.parse(lastOf("xcom")) - Date.parse(lastOf("task_instance"))) / 1000;
}

/** One plan and one apply 2.10.5 -> 3.3.2 into an empty target, through the command line; the target is dropped afterwards. */
export async function applyOnce(bench: Bench, options: ApplyOptions = {}): Promise<Applied> {
  const target = await emptyTarget(bench.serverUrl, "3.3.2", TARGET);
  await using state = await emptyDatabase(bench.serverUrl, STATE);
  const folder = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  const env = {
    CROSSWIND_SOURCE_DATABASE: withDatabase(bench.serverUrl, bench.source),
    CROSSWIND_SOURCE_FERNET_KEY: bench.fernetKey,
    CROSSWIND_TARGET_DATABASE: target,
    CROSSWIND_TARGET_FERNET_KEY: bench.targetFernetKey,
    CROSSWIND_STATE: state.url,
    CROSSWIND_LANES: String(options.lanes ?? 2),
    ...(options.entities === undefined ? {} : { CROSSWIND_SELECT_ENTITIES: options.entities.join(",") }),
    BENCH_PROBE: join(folder, "probe.json"),
    NODE_OPTIONS: `--import=${PROBE}`,
  };
  try {
    await using _prepared = await options.prepare?.(target);
    const command: RunCommand = (args) => crosswindCommand(args, folder, env);
    const planSeconds = await timed(bench.serverUrl, () => command(["plan", "--output", "p.json"]));
    let said: CliOutput = { stdout: "", stderr: "" };
    const seconds = await timed(bench.serverUrl, async () => {
      said = await command(["apply", "p.json", "--json"]);
    });
    const probe = JSON.parse(await readFile(env.BENCH_PROBE, "utf8")) as ProbeResult;
    const result = JSON.parse(said.stdout) as ApplyResult;
    const sum = (of: "rows" | "bytes") => result.entities.reduce((total, each) => total + each[of], 0);
    const events = eventsOf(said.stderr);
    const phases = phasesOf(events, performance.timeOrigin + performance.now());
    const times = { planSeconds, seconds, phases, xcomSeconds: xcomSecondsOf(events) };
    await options.after?.(command);
    return { ...times, rows: sum("rows"), bytes: sum("bytes"), ...probe, result };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await dropDatabase(bench.serverUrl, TARGET);
  }
}

async function run(bench: Bench): Promise<Outcome> {
  const { seconds, maxResidentMb, rows, result, ...detail } = await applyOnce(bench);
  return { seconds, maxResidentMb, rows, detail: { ...detail, entities: result.entities } };
}

/** The tool itself, as its users run it. */
export const crosswind: Contender = {
  name: "crosswind",
  what: "`crosswind apply` 2.10.5 -> 3.3.2, two lanes, the state database on the same server: the whole command, from the start of its process to indexes, keys and statistics",
  missing: pythonMissing,
  run,
};
