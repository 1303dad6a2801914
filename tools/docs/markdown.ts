/** The first line of every page that is made here. */
const MADE = "<!-- Made by tools/generate-docs.ts from the code. Do not edit: change the code and run it again. -->";

/** A whole page from its parts, with the note that it is generated. */
export function page(...parts: readonly string[]): string {
  return `${[MADE, ...parts].join("\n\n")}\n`;
}

/** Text that may stand in a table's cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").trim();
}

/** A table; empty text where there are no rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const lines = [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** Inline code; nothing for no text. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** Several names as inline code. */
export function codes(names: readonly string[]): string {
  return names.map(code).join(", ");
}

/** Puts text between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`. Throws where a page has no such marks. */
export function replaceSection(text: string, name: string, body: string): string {
  const [from, to] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start === -1 || end < start) throw new Error(`the page has no marks ${from} and ${to}`);
  return `${text.slice(0, start + from.length)}\n${body.trim()}\n${text.slice(end)}`;
}
