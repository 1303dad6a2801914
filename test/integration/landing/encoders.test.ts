import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgres } from "../../../src/databases/postgres/postgres.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { CopyWriter } from "../../../src/engine/land/copy-writer.ts";
import { encoderFor } from "../../../src/engine/land/encode.ts";
import type { Session } from "../../../src/ports/database.ts";
import type { RawValue } from "../../../src/ports/raw-source.ts";
import { freshDatabase } from "../../support/database.ts";

const resources = new AsyncDisposableStack();
let session: Session;
beforeAll(async () => {
  const database = resources.use(await freshDatabase());
  const postgres = resources.use(openPostgres({ url: new Secret(database.url), name: "staging", maxSessions: 1 }));
  session = resources.use(await postgres.session());
});
afterAll(() => resources.disposeAsync());

/** Writes values as binary COPY of a type and gives Postgres's text of what it has read; undefined for one that does not fit. */
async function readBack(type: string, values: readonly RawValue[]): Promise<readonly (string | null | undefined)[]> {
  await session.query(`drop table if exists t; create temporary table t (n integer, v ${type})`);
  // Small, so that a buffer is handed over in the middle of the rows.
  const writer = new CopyWriter(256);
  const chunks: Buffer[] = [];
  const encode = encoderFor(type, true);
  values.forEach((value, n) => {
    writer.beginRow(2);
    writer.int32(n);
    if (value === null) writer.null();
    else if (encode(writer, value) !== undefined) writer.dropRow();
    if (writer.isFull) chunks.push(writer.take());
  });
  writer.end();
  await pipeline(Readable.from([...chunks, writer.take()]), session.copyIn("t"));
  const rows = await session.query<{ n: number; v: string | null }>("select n, v::text as v from t");
  const found = new Map(rows.map((row) => [row.n, row.v]));
  return values.map((_, n) => found.get(n));
}

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
const many = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 50 });
/** A text that both sides can keep. */
const text = fc.string({ unit: "grapheme", maxLength: 80 }).filter((each) => !each.includes("\0"));

test("whole numbers, as numbers and as text", async () => {
  const numbers = many(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
  await fc.assert(
    fc.asyncProperty(numbers, async (values) => {
      const expected = values.map(String);
      expect(await readBack("bigint", values)).toEqual(expected);
      expect(await readBack("bigint", expected.map(bytes))).toEqual(expected);
    }),
    { numRuns: 40 },
  );
  const integers = [0, -1, 2_147_483_647, -2_147_483_648n, bytes("-2147483648"), bytes("12")];
  expect(await readBack("integer", integers)).toEqual(integers.map(String));
  const beyond = [2_147_483_648, -2_147_483_649n, bytes("2147483648"), "12", 1.5, bytes("1.5"), bytes(""), bytes("-")];
  expect(await readBack("integer", beyond)).toEqual([undefined, undefined, undefined, "12", ...Array(4)]);
});

test("times to the microsecond, from the year 1 to 9999", async () => {
  const time = fc.tuple(
    fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
    fc.integer({ min: 0, max: 999_999 }),
  );
  await fc.assert(
    fc.asyncProperty(many(time), async (times) => {
      const texts = times.map(
        ([date, micros]) => `${date.toISOString().slice(0, 19).replace("T", " ")}.${String(micros).padStart(6, "0")}`,
      );
      const expected = texts.map((each) =>
        each.replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : each.includes(".") ? "" : zeros)),
      );
      const shown = (type: string) => expected.map((each) => (type.includes("without") ? each : `${each}+00`));
      for (const type of ["timestamp with time zone", "timestamp without time zone"]) {
        expect(await readBack(type, texts)).toEqual(shown(type));
        expect(await readBack(type, texts.map(bytes))).toEqual(shown(type));
      }
    }),
    { numRuns: 40 },
  );
});

test("times in other forms, and what is no time", async () => {
  const type = "timestamp with time zone";
  const good = [
    "2025-01-01",
    "2025-01-01T10:00:00Z",
    "2025-01-01 10:00:00+02:00",
    "2025-01-01 10:00:00.5-0130",
    "2024-02-29 00:00:00",
  ];
  const bad = [
    "0000-00-00 00:00:00",
    "2025-02-29",
    "2025-13-01",
    "2025-1-1",
    "now",
    "2025-01-01 25:00:00",
    "2025-01-01 10:00:00.1234567",
    "2025-01-01 10:00:00 Europe/Berlin",
    "2025-01-01 10:00",
    "ı025-01-01",
    "",
  ];

  expect(await readBack(type, good)).toEqual([
    "2025-01-01 00:00:00+00",
    "2025-01-01 10:00:00+00",
    "2025-01-01 08:00:00+00",
    "2025-01-01 11:30:00.5+00",
    "2024-02-29 00:00:00+00",
  ]);
  expect(await readBack(type, bad)).toEqual(bad.map(() => undefined));
});

test("texts, whole, as strings and as bytes", async () => {
  await fc.assert(
    fc.asyncProperty(many(text), async (texts) => {
      expect(await readBack("text", texts.map(bytes))).toEqual(texts);
      expect(await readBack("character varying", texts)).toEqual(texts);
    }),
    { numRuns: 40 },
  );
  const unfit = ["a\0b", bytes("a\0b"), Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80])];
  expect(await readBack("text", unfit)).toEqual(unfit.map(() => undefined));
  expect(await readBack("character varying(2)", ["ab", "😀😀", "abc", bytes("äö"), bytes("äöü")])).toEqual([
    "ab",
    "😀😀",
    undefined,
    "äö",
    undefined,
  ]);
});

/** jsonb has none. */
function withoutNegativeZero(_: string, value: unknown): unknown {
  return Object.is(value, -0) ? 0 : value;
}

test("documents, as they are written", async () => {
  await fc.assert(
    fc.asyncProperty(many(fc.json({ depthSize: "small" }).filter((each) => !/\\u/.test(each))), async (documents) => {
      expect(await readBack("json", documents.map(bytes))).toEqual(documents);
      const parsed = await readBack("jsonb", documents);
      const read = (each: unknown) => JSON.parse(String(each), withoutNegativeZero) as unknown;
      expect(parsed.map(read)).toEqual(documents.map(read));
    }),
    { numRuns: 40 },
  );
  expect(await readBack("json", [12, 1.5, 7n, "NaN", "{", '"\\u0000"', '"\\ud800"'])).toEqual([
    "12",
    "1.5",
    "7",
    undefined,
    undefined,
    '"\\u0000"',
    '"\\ud800"',
  ]);
  const halves = ['"\\u0000"', '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\\\u0000"'];
  expect(await readBack("jsonb", halves)).toEqual([undefined, undefined, undefined, '"😀"', '"\\\\u0000"']);
});

test("truth values, doubles, UUIDs and bytes", async () => {
  expect(await readBack("boolean", [0, 1n, bytes("1"), Buffer.from([1]), 2, "yes", null])).toEqual([
    "false",
    "true",
    "true",
    "true",
    undefined,
    undefined,
    null,
  ]);
  const uuid = "0193c9a0-7a3c-7def-8000-00000000abcd";
  expect(
    await readBack("uuid", [
      uuid,
      bytes(uuid.replaceAll("-", "")),
      Buffer.from(uuid.replaceAll("-", ""), "hex"),
      "0193",
      uuid.toUpperCase(),
    ]),
  ).toEqual([uuid, uuid, uuid, undefined, uuid]);
  await fc.assert(
    fc.asyncProperty(many(fc.double({ noNaN: true, noDefaultInfinity: true })), async (numbers) => {
      const read = await readBack("double precision", [...numbers, ...numbers.map((each) => bytes(String(each)))]);
      expect(read.map(Number)).toEqual([...numbers, ...numbers.map((each) => Number(String(each)))]);
    }),
    { numRuns: 40 },
  );
  await fc.assert(
    fc.asyncProperty(many(fc.uint8Array({ maxLength: 600 })), async (values) => {
      expect(await readBack("bytea", values)).toEqual(values.map((each) => `\\x${Buffer.from(each).toString("hex")}`));
    }),
    { numRuns: 40 },
  );
});
