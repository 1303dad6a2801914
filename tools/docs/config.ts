import { settingSpecs } from "../../src/cli/config/settings.ts";
import { kebab } from "../../src/cli/flags.ts";
import { configJsonSchema } from "../../src/contract/config.ts";
import { code, page, table } from "./markdown.ts";

/** What every description repeats, and what a column of its own says. */
const REPEATED = / (A reference: .*|Default: [^.]*\.)$/;

function description(text: string): string {
  const shorter = text.replace(REPEATED, "");
  return shorter === text ? text : description(shorter);
}

/** docs/reference/config.md. `flags`: those that commands have. */
export function configPage(flags: ReadonlySet<string>): string {
  const rows = settingSpecs.map((spec) => [
    code(spec.name),
    code(spec.env),
    spec.flag === undefined || !flags.has(spec.flag)
      ? ""
      : `${code(`--${kebab(spec.flag)}`)}${spec.isAdded === true ? " (adds)" : ""}`,
    spec.preset === undefined ? (spec.isRequired === true ? "required" : "") : code(JSON.stringify(spec.preset)),
    description(spec.field.description ?? ""),
  ]);
  return page(
    "# Configuration",
    "Settings stand in `crosswind.yaml` (or the file that `-c` names). A flag comes before an environment variable, that before the file, that before the default; `crosswind config show` says where each one came from. Flags exist on the commands that need them: see [cli.md](cli.md). Lists are separated by commas in an environment variable.",
    table(["setting", "environment variable", "flag", "default", ""], rows),
    "A Fernet key is never written into the file and no secret is ever given by a flag: both are refused. Both are given as references: `${env:NAME}` is an environment variable, `file:PATH` a file beside the configuration; `${env:NAME}` and `${file:PATH}` may also stand inside a longer text, such as a URL.",
    "For editors: [crosswind.schema.json](crosswind.schema.json).",
  );
}

/** docs/reference/crosswind.schema.json, before formatting. */
export function configSchema(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}
