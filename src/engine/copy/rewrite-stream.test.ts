import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { RewriteStream, type StreamColumn } from "./rewrite-stream.ts";

const HEADER = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), Buffer.alloc(8)]);
const END = Buffer.from([0xff, 0xff]);

function row(...fields: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  const framed = fields.flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(field === null ? -1 : Buffer.byteLength(field));
    return field === null ? [length] : [length, Buffer.from(field)];
  });
  return Buffer.concat([count, ...framed]);
}

function stream(...rows: readonly Buffer[]): Buffer {
  return Buffer.concat([HEADER, ...rows, END]);
}

const columns: readonly StreamColumn[] = [
  { field: "key", type: "text", isKey: true },
  {
    field: "value",
    type: "text",
    isKey: false,
    rewrite: (value) => ({
      value: Buffer.from(`<${value.toString("utf8")}>`),
      changes: [{ kind: "nul-shown", count: 1 }],
    }),
  },
];

async function rewritten(input: Buffer, pieceBytes: number) {
  const pieces = Array.from({ length: Math.ceil(input.length / pieceBytes) }, (_, index) =>
    input.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
  const rewrite = new RewriteStream(columns);
  const output: Buffer[] = [];
  await pipeline(Readable.from(pieces), rewrite, async (from) => {
    for await (const piece of from as AsyncIterable<Buffer>) output.push(piece);
  });
  return { output: Buffer.concat(output), changed: rewrite.changed };
}

describe("a stream of rows", () => {
  const long = "x".repeat(5000);
  const input = stream(row("a", "1"), row("b", null), row("c", long), row("", ""), row("d", "2"));
  const expected = stream(row("a", "<1>"), row("b", null), row("c", `<${long}>`), row("", "<>"), row("d", "<2>"));

  test.for([1, 2, 3, 7, 64, 1000, 4096, 1 << 20])("is rewritten the same in pieces of %i bytes", async (pieceBytes) => {
    const { output, changed } = await rewritten(input, pieceBytes);

    expect(output.equals(expected)).toBe(true);
    expect(changed).toMatchObject([{ field: "value", count: 4, examples: ["a", "c", "", "d"] }]);
  });

  test("that ends in the middle of a row is an error", async () => {
    await expect(rewritten(input.subarray(0, input.length - 4), 64)).rejects.toThrow("in the middle of a row");
  });

  test("with another number of fields is an error", async () => {
    await expect(rewritten(stream(row("only one")), 64)).rejects.toThrow("has 1 fields, not 2");
  });
});
