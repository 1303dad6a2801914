import { defineProblem } from "../../domain/problem.ts";

/** The embedded Postgres could not be made ready, used or stopped; `log` is the end of what it said. */
export const EMBEDDED_POSTGRES_FAILED = defineProblem<{
  readonly name: string;
  readonly doing: string;
  readonly log: readonly string[];
  readonly logFile: string;
}>({
  code: "EMBEDDED_POSTGRES_FAILED",
  what: ({ name, doing, log }) =>
    [`the embedded Postgres "${name}" failed while ${doing}.`, ...log.map((line) => `    ${line}`)].join("\n"),
  safe: () => "neither environment was touched; the embedded Postgres keeps its data folder as it is.",
  next: ({ logFile }) => [
    `read its log: ${logFile}`,
    "run the command again, when the log names a passing cause (disk full, memory, a port taken)",
    "or use a Postgres of your own: --state postgresql://user@host/database",
  ],
  retry: "after-fix",
});

/** There is no Postgres for this machine among the packages that are installed. */
export const EMBEDDED_PLATFORM_UNSUPPORTED = defineProblem<{
  readonly platform: string;
  readonly reason: string;
}>({
  code: "EMBEDDED_PLATFORM_UNSUPPORTED",
  what: ({ platform, reason }) => `there is no embedded Postgres for ${platform}: ${reason}.`,
  safe: () => "nothing was changed.",
  next: () => [
    "use a Postgres of your own: --state postgresql://user@host/database",
    "or install again with optional dependencies: npm ci --include=optional",
  ],
  retry: "after-fix",
});
