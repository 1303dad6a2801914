import { input, select } from "@inquirer/prompts";
import { settingFields } from "../../contract/config.ts";
import { initCancelled } from "./problems.ts";
import type { Answers } from "./template.ts";

const SETTINGS = [
  { name: "sourceDatabase", title: "URL of the source's metadata database", variable: "SOURCE_DATABASE_URL" },
  { name: "sourceFernetKey", title: "Fernet key of the source", variable: "SOURCE_FERNET_KEY" },
  { name: "targetDatabase", title: "URL of the target's metadata database", variable: "TARGET_DATABASE_URL" },
  { name: "targetFernetKey", title: "Fernet key of the target", variable: "TARGET_FERNET_KEY" },
] as const;

/** Undefined where a name is fit for an environment variable; else what to say. */
export function refuseVariableName(text: string): string | undefined {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text)
    ? undefined
    : "Give the name of a variable (letters, digits, _), not its value.";
}

async function askReference(title: string, variable: string): Promise<string> {
  const kind = await select({
    message: `${title} is in`,
    choices: [
      { name: "an environment variable", value: "env" },
      { name: "a file", value: "file" },
    ],
  });
  if (kind === "env") {
    const name = await input({
      message: "Name of the variable (not its value)",
      default: variable,
      validate: (text) => refuseVariableName(text) ?? true,
    });
    return `\${env:${name}}`;
  }
  const path = await input({
    message: "Path of the file, relative to the configuration",
    validate: (text) => (text.trim() === "" || text.includes("://") ? "Give a path, not the secret itself." : true),
  });
  return `file:${path.trim()}`;
}

/** Asks on the terminal for what was not given. Passwords and keys are never asked for, only where they are. */
export async function askAnswers(given: Partial<Answers>): Promise<Answers> {
  try {
    const references: Record<string, string> = {};
    for (const { name, title, variable } of SETTINGS) {
      references[name] = given[name] ?? (await askReference(title, variable));
    }
    const dags = given.dags ?? (await askDags());
    const history =
      given.history ??
      (await input({
        message: "History: all, the last days (90d), or the newest runs of each DAG (100)",
        default: "all",
        validate: (text) => settingFields.history.safeParse(text).success || "all, 90d or 100",
      }));
    return { ...(references as Omit<Answers, "dags" | "history">), dags, history };
  } catch (error) {
    // Ctrl-C at a question. Source: @inquirer/core, ExitPromptError.
    if (error instanceof Error && error.name === "ExitPromptError") throw initCancelled({}, { cause: error });
    throw error;
  }
}

async function askDags(): Promise<readonly string[]> {
  const text = await input({ message: "DAGs: patterns separated by commas, ! excludes", default: "*" });
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
