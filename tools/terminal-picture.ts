/**
 * Draws what commands printed as a picture of a terminal.
 *
 *     npm run --silent demo 2>/dev/null | node tools/terminal-picture.ts -o docs/images/plan-and-apply.svg
 *
 * Takes the text from standard input, from the first line that begins with `$ `; ports of this machine become 5432.
 */
import { writeFile } from "node:fs/promises";
import { text as readText } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { terminalPicture } from "./docs/terminal-svg.ts";

const { values } = parseArgs({ options: { output: { type: "string", short: "o" } } });
const printed = await readText(process.stdin);
const start = printed.search(/^\$ /m);
if (start === -1) throw new Error("no line begins with `$ `: give the output of commands with their prompts");

const svg = terminalPicture(printed.slice(start));
if (values.output === undefined) process.stdout.write(svg);
else await writeFile(values.output, svg);
