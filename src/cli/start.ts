import { EXIT } from "./command.ts";
import { main } from "./program.ts";
import { VERSION } from "./version.ts";
import { showBug } from "./views/problem.ts";

/** Node itself would print the error with everything in it, also what a server quoted from a row. */
function endWithBug(error: unknown): never {
  process.stderr.write(`${showBug(error, VERSION)}\n`);
  process.exit(EXIT.bug);
}

process.on("uncaughtException", endWithBug);
process.on("unhandledRejection", endWithBug);

/** A reader behind a pipe may not have taken all of it yet: what is left would be lost. */
async function taken(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}

process.exitCode = await main(process.argv.slice(2));
await Promise.all([taken(process.stdout), taken(process.stderr)]);
// Workflows that were left pending on purpose hold promises, not sockets; a lingering keep-alive must not hold the process either.
process.exit();
