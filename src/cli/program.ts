import { hostname, userInfo } from "node:os";
import { resolve } from "node:path";
import { CommanderError, Command as Program } from "commander";
import { isProblem } from "../domain/problem.ts";
import { type Command, type CommandContext, EXIT, type World } from "./command.ts";
import { SUMMARIES } from "./summaries.ts";
import { VERSION } from "./version.ts";
import { showBug, showProblem } from "./views/problem.ts";

/** Commands by name, each loaded when it is asked for, so that `--help` starts fast. Words are `config show`-like paths. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import("./commands/init.ts")).initCommand as unknown as Command,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand as unknown as Command,
  plan: async () => (await import("./commands/plan.ts")).planCommand as unknown as Command,
  apply: async () => (await import("./commands/apply.ts")).applyCommand as unknown as Command,
  status: async () => (await import("./commands/status.ts")).statusCommand as unknown as Command,
  sync: async () => (await import("./commands/sync.ts")).syncCommand as unknown as Command,
  cutover: async () => (await import("./commands/cutover.ts")).cutoverCommand as unknown as Command,
  reverse: async () => (await import("./commands/reverse.ts")).reverseCommand as unknown as Command,
  complete: async () => (await import("./commands/complete.ts")).completeCommand as unknown as Command,
  cancel: async () => (await import("./commands/cancel.ts")).cancelCommand as unknown as Command,
  verify: async () => (await import("./commands/verify.ts")).verifyCommand as unknown as Command,
  waves: async () => (await import("./commands/waves.ts")).wavesCommand as unknown as Command,
  "drain-policy": async () => (await import("./commands/drain-policy.ts")).drainPolicyCommand as unknown as Command,
  continuity: async () => (await import("./commands/continuity.ts")).continuityCommand as unknown as Command,
  worker: async () => (await import("./commands/worker.ts")).workerCommand as unknown as Command,
  "runs list": async () => (await import("./commands/runs-list.ts")).runsListCommand as unknown as Command,
  "runs show": async () => (await import("./commands/runs-show.ts")).runsShowCommand as unknown as Command,
  "runs pause": async () => (await import("./commands/runs-pause.ts")).runsPauseCommand as unknown as Command,
  "runs resume": async () => (await import("./commands/runs-resume.ts")).runsResumeCommand as unknown as Command,
  "runs cancel": async () => (await import("./commands/runs-cancel.ts")).runsCancelCommand as unknown as Command,
  "config show": async () => (await import("./commands/config-show.ts")).configShowCommand as unknown as Command,
};

const ABOUT = "Moves an Apache Airflow environment to another one, with its whole history, proven value by value.";

interface Globals {
  readonly config: string;
  readonly json: boolean;
}

/** The world of a real process. */
function realWorld(): World {
  const isTerminal = process.stderr.isTTY && process.stdout.isTTY;
  return {
    env: process.env,
    cwd: process.cwd(),
    now: () => new Date(),
    user: userInfo().username,
    host: hostname(),
    isTerminal,
    width: process.stdout.columns ?? 100,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  };
}

/** First Ctrl-C: finish what is under way, then stop. Second: stop at once; the ledger makes that safe, too. */
function interruption(world: World): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.problem);
    controller.abort();
    world.err("\nStopping when what is under way has ended (again: stop at once, which is safe, too).\n");
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller.signal;
}

const BLOCKED_CODES: ReadonlySet<string> = new Set(["PLAN_BLOCKED", "CUTOVER_GATE_CLOSED"]);

function fail(error: unknown, world: World, json: boolean): number {
  if (isProblem(error)) {
    if (json) world.out(`${JSON.stringify({ problem: error.report })}\n`);
    else world.err(`${showProblem(error.report, world.width)}\n`);
    if (error.code.startsWith("USAGE_")) return EXIT.usage;
    return BLOCKED_CODES.has(error.code) ? EXIT.blocked : EXIT.problem;
  }
  if (json) world.out(`${JSON.stringify({ bug: showBug(error, VERSION) })}\n`);
  else world.err(`${showBug(error, VERSION)}\n`);
  return EXIT.bug;
}

interface Invocation {
  readonly world: World;
  readonly globals: Globals;
  readonly given: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
}

async function invoke(command: Command, { world, globals, given, args }: Invocation): Promise<number> {
  try {
    const parsed = command.options.safeParse(given);
    if (!parsed.success) {
      const issues = parsed.error.issues.map((issue) => `  --${issue.path.join(".")}: ${issue.message}`);
      world.err(`crosswind ${command.name}: wrong usage\n${issues.join("\n")}\n`);
      return EXIT.usage;
    }
    const context: CommandContext = {
      world,
      configFile: resolve(world.cwd, globals.config),
      json: globals.json,
      signal: interruption(world),
    };
    const result = await command.run(context, parsed.data, args);
    const text = globals.json
      ? JSON.stringify(command.view.json(result.value))
      : command.view.human(result.value, world);
    world.out(`${text}\n`);
    return result.exitCode ?? EXIT.done;
  } catch (error) {
    return fail(error, world, globals.json);
  }
}

/** Adds `config show` below a parent `config` that is made once. */
function parentOf(program: Program, words: readonly string[]): Program {
  if (words.length === 1) return program;
  const [name = ""] = words;
  return program.commands.find((each) => each.name() === name) ?? program.command(name).description(`${name} commands`);
}

/** A command of the parser with its flags; `onRun` gets the exit code when it has run. */
async function addCommand(sub: Program, command: Command, { world, onRun }: Building): Promise<void> {
  // With it comes the library that declares flags, which takes longer to load than all else that a help page needs.
  const { flagOf } = await import("./flags.ts");
  for (const argument of command.arguments ?? []) {
    sub.argument(argument.isOptional === true ? `[${argument.name}]` : `<${argument.name}>`, argument.summary);
  }
  for (const [option, type] of Object.entries(command.options.shape)) sub.addOption(flagOf(option, type as never));
  sub.option("-c, --config <FILE>", "configuration file", "crosswind.yaml");
  sub.option("--json", "one JSON document on standard output, progress as NDJSON on standard error", false);
  sub.addHelpText("after", `\nExamples:\n${command.examples.map((example) => `  ${example}`).join("\n")}`);
  sub.action(async (...actual: unknown[]) => {
    const { config, json, ...given } = sub.opts<Globals & Record<string, unknown>>();
    const args = actual.slice(0, -2).filter((each): each is string => typeof each === "string");
    onRun(await invoke(command, { world, globals: { config, json }, given, args }));
  });
}

interface Building {
  readonly world: World;
  readonly onRun: (code: number) => void;
}

/** Builds the argument parser: of the commands that are named with all their flags; where none is, of all with what each is for. */
async function buildProgram(wanted: readonly string[], building: Building): Promise<Program> {
  const { world } = building;
  const program = new Program("crosswind")
    .description(ABOUT)
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError("(crosswind --help shows all commands)")
    .configureOutput({ writeOut: world.out, writeErr: world.err });
  const names = Object.keys(COMMANDS);
  const named = names.filter((name) => wanted.includes(name.split(" ").at(-1) ?? ""));
  for (const name of named.length === 0 ? names : named) {
    const words = name.split(" ");
    const sub = parentOf(program, words)
      .command(words.at(-1) ?? name)
      .description(SUMMARIES[name] ?? "");
    const command = named.length === 0 ? undefined : await COMMANDS[name]?.();
    if (command !== undefined) await addCommand(sub, command, building);
  }
  return program;
}

/** Runs the command line; gives the exit code. `argv` is without the interpreter and the script. */
export async function main(argv: readonly string[], world: World = realWorld()): Promise<number> {
  let code: number = EXIT.done;
  const onRun = (result: number) => {
    code = result;
  };
  const program = await buildProgram(argv, { world, onRun });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    throw error;
  }
  return code;
}
