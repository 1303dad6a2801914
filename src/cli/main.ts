import { main } from "./program.ts";

process.exitCode = await main(process.argv.slice(2));
// Workflows that were left pending on purpose hold promises, not sockets; a lingering keep-alive must not hold the process either.
process.exit();
