import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "nothing was read from or written to either side.";

/** One mistake in the configuration. `where` is `line 3` or the name of a flag or variable; never a value. */
export interface ConfigError {
  readonly where: string;
  readonly what: string;
}

function listed(errors: readonly ConfigError[]): string {
  return errors.map(({ where, what }) => `${where}: ${what}`).join("; ");
}

function counted(count: number, one: string, many: string): string {
  return count === 1 ? one : `${count} ${many}`;
}

export const configNotFound = defineProblem<{ file: string }>({
  code: "CONFIG_NOT_FOUND",
  what: ({ file }) => `there is no configuration at ${file}.`,
  safe: () => NOTHING,
  next: () => [
    "crosswind init    writes one",
    "or name another: crosswind -c FILE ...",
    "or give CROSSWIND_SOURCE_DATABASE and CROSSWIND_TARGET_DATABASE in the environment",
  ],
  retry: "after-fix",
});

export const configInvalid = defineProblem<{ file: string; errors: readonly ConfigError[] }>({
  code: "CONFIG_INVALID",
  what: ({ file, errors }) =>
    `the configuration ${file} has ${counted(errors.length, "one error", "errors")}: ${listed(errors)}.`,
  safe: () => NOTHING,
  next: ({ file }) => [`mend ${file}`, "crosswind config show"],
  retry: "after-fix",
});

export const configReferenceMissing = defineProblem<{ file: string; errors: readonly ConfigError[] }>({
  code: "CONFIG_REFERENCE_MISSING",
  what: ({ file, errors }) =>
    `${counted(errors.length, "a reference", "references")} of the configuration ${file} can not be read: ${listed(errors)}.`,
  safe: () => NOTHING,
  next: () => ["set the variables or write the files it names", "crosswind config show"],
  retry: "after-fix",
});

export const configSecretInFile = defineProblem<{ file: string; errors: readonly ConfigError[]; variable: string }>({
  code: "CONFIG_SECRET_IN_FILE",
  what: ({ file, errors }) =>
    `the configuration ${file} holds ${counted(errors.length, "a secret", "secrets")} instead of a reference: ${listed(errors)}.`,
  safe: () => `${NOTHING} The secret was not shown or stored; whoever can read the file can read it.`,
  next: ({ variable }) => [
    `write a reference to an environment variable: \${env:${variable}}`,
    "or to a file that only you can read: file:./NAME.key",
  ],
  retry: "after-fix",
});

export const configSecretInFlag = defineProblem<{ flags: readonly string[] }>({
  code: "CONFIG_SECRET_IN_FLAG",
  what: ({ flags }) =>
    `${flags.join(" and ")} ${flags.length === 1 ? "holds" : "hold"} a secret, which every user of this machine can see in the list of processes.`,
  safe: () => NOTHING,
  next: () => [
    "give a reference: '${env:NAME}' (in single quotes, so that the shell leaves it alone) or file:PATH",
    "change the password or key, if others use this machine",
  ],
  retry: "after-fix",
});

export const configExists = defineProblem<{ file: string }>({
  code: "CONFIG_EXISTS",
  what: ({ file }) => `${file} is already there.`,
  safe: () => "the file was not changed.",
  next: () => ["crosswind config show", "or write it anew: crosswind init --force"],
  retry: "after-fix",
});

export const configNotWritable = defineProblem<{ file: string; reason: string }>({
  code: "CONFIG_NOT_WRITABLE",
  what: ({ file, reason }) => `${file} can not be written (${reason}).`,
  safe: () => "no configuration was written.",
  next: () => ["name another place: crosswind -c FILE init"],
  retry: "after-fix",
});

export const flagsMissing = defineProblem<{ command: string; flags: readonly string[] }>({
  code: "USAGE_FLAGS_MISSING",
  what: ({ command, flags }) =>
    `${command} may not ask here (no terminal, or --json), and these flags are missing: ${flags.join(", ")}.`,
  safe: () => "nothing was written.",
  next: ({ command, flags }) => [
    `crosswind ${command} ${flags.map((flag) => `${flag} '\${env:NAME}'`).join(" ")}`,
    `crosswind ${command}    on a terminal, which asks`,
  ],
  retry: "after-fix",
});

export const initCancelled = defineProblem({
  code: "INIT_CANCELLED",
  what: () => "the questions were not answered to the end.",
  safe: () => "nothing was written.",
  next: () => ["crosswind init"],
  retry: "after-fix",
});

export const stateUnreachable = defineProblem<{ where: string; reason: string }>({
  code: "STATE_UNREACHABLE",
  what: ({ where, reason }) => `the state database at ${where} does not answer: ${reason}.`,
  safe: () => NOTHING,
  next: () => ["check the setting state in crosswind.yaml; without it an embedded Postgres is used"],
  retry: "after-fix",
});
