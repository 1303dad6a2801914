import type { Readable } from "node:stream";

const QUOTE = 0x22;
const COMMA = 0x2c;
const NEWLINE = 0x0a;

/** A value of a CSV in which every value is quoted: its bytes, or null for the bare word NULL. */
export type CsvValue = Buffer | null;

/** Reads one value from `at`, which is its first byte; undefined where its end has not come yet. */
function readValue(bytes: Buffer, at: number): { readonly value: CsvValue; readonly end: number } | undefined {
  if (bytes[at] !== QUOTE) {
    let end = at;
    while (end < bytes.length && bytes[end] !== COMMA && bytes[end] !== NEWLINE) end++;
    return end < bytes.length ? { value: null, end } : undefined;
  }
  const parts: Buffer[] = [];
  let from = at + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote === -1 || quote + 1 >= bytes.length) return undefined;
    const last = bytes.subarray(from, bytes[quote + 1] === QUOTE ? quote + 1 : quote);
    parts.push(last);
    // Most values have no quotes within and need no copy.
    if (bytes[quote + 1] !== QUOTE) return { value: parts.length === 1 ? last : Buffer.concat(parts), end: quote + 1 };
    from = quote + 2;
  }
}

/** The rows of a CSV whose values are all quoted, but for the bare word NULL. Throws a plain Error where it ends within a row. */
export async function* csvRows(source: Readable): AsyncGenerator<readonly CsvValue[]> {
  let rest = Buffer.alloc(0);
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let begun = 0;
    let row: CsvValue[] = [];
    for (let at = 0; at < bytes.length; ) {
      const read = readValue(bytes, at);
      if (read === undefined) break;
      row.push(read.value);
      at = read.end + 1;
      if (bytes[read.end] !== NEWLINE) continue;
      yield row;
      row = [];
      begun = at;
    }
    rest = Buffer.from(bytes.subarray(begun));
  }
  if (rest.length > 0) throw new Error("a CSV ends within a row");
}
