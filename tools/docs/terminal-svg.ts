const CHAR_WIDTH = 7.8;
const LINE_HEIGHT = 18;
const MARGIN = 16;
/** Longer lines are cut: a picture that is wider can not be read in a page. */
const MOST_COLUMNS = 124;
/** Of a command that printed much more: its first and its last lines. */
const FIRST_LINES = 10;
const LAST_LINES = 7;

const XML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Colours by what a line begins with, first match wins. */
const COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^\$ /, "#7ee787"],
  [/^\s*✗/, "#ff7b72"],
  [/^\s*!/, "#e3b341"],
  [/^\s*(·|⋮|next:)/, "#8b949e"],
];

function escaped(text: string): string {
  return text.replaceAll(/[&<>]/g, (char) => XML[char] ?? char);
}

function shortened(lines: readonly string[]): readonly string[] {
  const left = lines.length - FIRST_LINES - LAST_LINES;
  if (left <= 1) return lines;
  return [...lines.slice(0, FIRST_LINES), `  ⋮ ${left} more lines`, ...lines.slice(-LAST_LINES)];
}

/** The lines to draw, without colours and cursor moves, an empty one between commands. */
function plain(printed: string): readonly string[] {
  const text = printed
    // oxlint-disable-next-line no-control-regex -- what a terminal obeys and a picture does not
    .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "")
    .replaceAll(/\b(127\.0\.0\.1|localhost):\d+/g, "$1:5432");
  return text
    .split(/^(?=\$ )/m)
    .flatMap((command) => [...shortened(command.trim().split("\n")), ""])
    .map((line) => (line.length > MOST_COLUMNS ? `${line.slice(0, MOST_COLUMNS - 1)}…` : line));
}

function drawn(line: string, index: number): string {
  const colour = COLOURS.find(([pattern]) => pattern.test(line))?.[1] ?? "#e6edf3";
  const y = MARGIN + (index + 1) * LINE_HEIGHT - 4;
  return `<text x="${MARGIN}" y="${y}" fill="${colour}">${escaped(line)}</text>`;
}

/** An SVG of the text as a terminal shows it: one line below the other in a fixed-width font, without outside fonts or scripts. */
export function terminalPicture(printed: string): string {
  const lines = plain(printed);
  const columns = Math.max(...lines.map((line) => line.length));
  const width = Math.ceil(columns * CHAR_WIDTH) + 2 * MARGIN;
  const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">`,
    ...lines.map(drawn),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}
