import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { configJsonSchema, settingFields } from "../../contract/config.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { selectionOptions } from "../config/options.ts";
import { flagName } from "../config/pick.ts";
import * as problems from "../config/problems.ts";
import { isOnlyReferences, REFERENCE } from "../config/references.ts";
import { type Answers, configText, SCHEMA_PATH } from "../config/template.ts";
import { hasPassword } from "../config/url-label.ts";
import { initView } from "../views/init.ts";

const reference = (what: string) => settingFields.database.optional().describe(what).meta({ value: "REFERENCE" });

const options = z.object({
  sourceDatabase: reference("the source's database: '${env:NAME}', file:PATH, or a URL without a password"),
  sourceFernetKey: reference("the source's Fernet key: '${env:NAME}' or file:PATH"),
  targetDatabase: reference("the target's database: '${env:NAME}', file:PATH, or a URL without a password"),
  targetFernetKey: reference("the target's Fernet key: '${env:NAME}' or file:PATH"),
  dag: selectionOptions.dag,
  history: selectionOptions.history,
  force: z.boolean().default(false).describe("write over a configuration that is there"),
});

type Options = z.output<typeof options>;

const REQUIRED = ["sourceDatabase", "sourceFernetKey", "targetDatabase", "targetFernetKey"] as const;

/** `crosswind init`: writes `crosswind.yaml` and the schema for editors. Asks on a terminal for what no flag gave. */
export const initCommand = defineCommand({
  name: "init",
  summary: "write a configuration; asks on a terminal, takes flags elsewhere",
  options,
  examples: [
    "crosswind init",
    "crosswind init --source-database '${env:SOURCE_DATABASE_URL}' --source-fernet-key '${env:SOURCE_FERNET_KEY}' --target-database '${env:TARGET_DATABASE_URL}' --target-fernet-key file:./target-fernet.key",
  ],
  async run(context, given) {
    refuseSecrets(given);
    const { configFile } = context;
    const answers = await complete(context, given);
    const schemaFile = join(dirname(configFile), SCHEMA_PATH);
    await write(configFile, configText(answers), given.force);
    // The embedded Postgres keeps its data there too, and wants a folder that nobody else can write to.
    await mkdir(dirname(schemaFile), { recursive: true, mode: 0o711 });
    await writeFile(schemaFile, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    return { value: { file: configFile, schemaFile, references: references(answers) } };
  },
  view: initView,
});

function refuseSecrets(given: Options): void {
  const flags = REQUIRED.filter((name) => {
    const text = given[name];
    if (text === undefined) return false;
    return name.endsWith("FernetKey") ? !isOnlyReferences(text) : hasPassword(text, REFERENCE);
  });
  if (flags.length > 0) throw problems.configSecretInFlag({ flags: flags.map(flagName) });
}

async function complete({ world, json }: CommandContext, given: Options): Promise<Answers> {
  const { dag, force: _, ...rest } = given;
  const known = Object.fromEntries(
    Object.entries({ ...rest, dags: dag }).filter(([, value]) => value !== undefined),
  ) as Partial<Answers>;
  const missing = REQUIRED.filter((name) => known[name] === undefined);
  if (missing.length === 0) return { dags: ["*"], history: "all", ...known } as Answers;
  if (json || !world.isTerminal) throw problems.flagsMissing({ command: "init", flags: missing.map(flagName) });
  // Loaded here, because only this case needs the terminal.
  return await (await import("../config/ask.ts")).askAnswers(known);
}

async function write(file: string, text: string, isForced: boolean): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: isForced ? "w" : "wx", mode: 0o600 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EEXIST") throw problems.configExists({ file }, { cause: error });
    if (code.startsWith("E")) throw problems.configNotWritable({ file, reason: code }, { cause: error });
    throw error;
  }
}

/** The environment variables and files that must be there before anything else works. */
function references(answers: Answers): readonly string[] {
  const texts = REQUIRED.map((name) => answers[name]);
  return [...new Set(texts.filter((text) => text.includes("${") || text.startsWith("file:")))];
}
