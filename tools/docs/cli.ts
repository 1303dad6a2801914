import { z } from "zod";
import { type Command, EXIT } from "../../src/cli/command.ts";
import { flagOf } from "../../src/cli/flags.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { code, page, table } from "./markdown.ts";

/** A command that the program names and that can not be loaded. */
export interface MissingCommand {
  readonly name: string;
  readonly reason: string;
}

interface Loaded {
  readonly commands: readonly Command[];
  readonly missing: readonly MissingCommand[];
}

const EXIT_CODES: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "done",
  problem: "a problem: see [problems.md](problems.md)",
  usage: "wrong usage",
  blocked: "findings block, or verification found differences",
  bug: "a bug of Crosswind",
};

const GLOBALS = [
  ["`-c, --config <FILE>`", "configuration file", "`crosswind.yaml`"],
  ["`--json`", "one JSON document on standard output, progress as NDJSON on standard error", ""],
];

async function load(): Promise<Loaded> {
  const commands: Command[] = [];
  const missing: MissingCommand[] = [];
  for (const [name, open] of Object.entries(COMMANDS)) {
    try {
      commands.push(await open());
    } catch (error) {
      missing.push({ name, reason: (error as Error).message.split("\n")[0] ?? "" });
    }
  }
  return { commands, missing };
}

function shownDefault(value: unknown): string {
  if (value === undefined || value === false) return "";
  return code(typeof value === "string" ? value : JSON.stringify(value));
}

function optionRows({ options }: Command): readonly (readonly string[])[] {
  const { properties = {} } = z.toJSONSchema(options, { io: "input", unrepresentable: "any" });
  return Object.entries(options.shape).map(([name, type]) => {
    const { flags, description } = flagOf(name, type as z.ZodType);
    const property = properties[name];
    const preset = typeof property === "object" ? property.default : undefined;
    const isRepeatable = typeof property === "object" && property.type === "array";
    return [code(flags), `${description}${isRepeatable ? " (may be repeated)" : ""}`, shownDefault(preset)];
  });
}

function section(command: Command): string {
  const args = (command.arguments ?? []).map((each) =>
    each.isOptional === true ? `[${each.name}]` : `<${each.name}>`,
  );
  const argumentRows = (command.arguments ?? []).map((each) => [code(each.name), each.summary]);
  const options = optionRows(command);
  return [
    `## crosswind ${command.name}`,
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    code(["crosswind", command.name, ...args, "[options]"].join(" ")),
    table(["argument", ""], argumentRows),
    table(["option", "", "default"], options),
    ["```sh", ...command.examples, "```"].join("\n"),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** docs/reference/cli.md, the commands that could not be loaded, and the options (in camel case) of the others. */
export async function cliPage(): Promise<{
  readonly text: string;
  readonly missing: readonly MissingCommand[];
  readonly options: ReadonlySet<string>;
}> {
  const { commands, missing } = await load();
  const exits = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => [String(EXIT[name]), EXIT_CODES[name]]);
  const text = page(
    "# Command line",
    "Every command takes these options, too:",
    table(["option", "", "default"], GLOBALS),
    "Exit codes:",
    table(["code", ""], exits),
    "Settings of `crosswind.yaml` are in [config.md](config.md).",
    ...commands.map(section),
  );
  return { text, missing, options: new Set(commands.flatMap((command) => Object.keys(command.options.shape))) };
}
