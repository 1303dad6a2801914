import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { OutputColumn } from "../../src/engine/translate/translate.ts";
import {
  chooseHashes,
  digestQuery,
  hashesFor,
  hashesQuery,
  type RowShape,
} from "../../src/engine/verify/digest-sql.ts";
import { freshDatabase } from "../support/database.ts";

const column = (name: string, type: string): OutputColumn => ({ field: name, column: name, type, expression: name });
const columns = [column("k", "text"), column("v", "text"), column("f", "double precision")];
const ROWS = `select * from (values ('a', 'née', 0.1::float8), ('É', null, 'NaN'), ('z', '', null)) r(k, v, f)`;

test("digests agree between servers that keep text in different encodings", async () => {
  await using utf8 = await freshDatabase();
  await using resources = new AsyncDisposableStack();
  const name = `test_${randomBytes(8).toString("hex")}`;
  const open = async (url: string) => {
    const database = resources.use(openPostgres({ url: new Secret(url), name: "digests", maxSessions: 1 }));
    return resources.use(await database.session());
  };
  const one = await open(utf8.url);
  await one.query(
    `create database ${name} encoding 'LATIN1' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0`,
  );
  resources.defer(async () => {
    await one.query(`drop database ${name} with (force)`);
  });
  const other = await open(utf8.url.replace(utf8.name, name));

  const hashes = await chooseHashes([one, other]);
  const shape = { columns, key: columns.slice(0, 1), hashes };
  const ordered = `select * from (${digestQuery(ROWS, shape)}) d order by bucket`;
  const digests = [await one.query(ordered), await other.query(ordered)];
  const buckets = (digests[0] ?? []).map((row) => Number(row["bucket"]));
  const rows = [
    await one.query(hashesQuery(ROWS, shape, buckets)),
    await other.query(hashesQuery(ROWS, shape, buckets)),
  ];

  expect(digests[0]).toEqual(digests[1]);
  expect(rows[0]).toEqual(rows[1]);
  expect(rows[0]?.map((row) => row["key"])).toEqual(["(a)", "(z)", "(É)"]);
});

const HASHES = Object.entries({ md5: 100_000, "what is sent": 110_000, "typed values": 140_000 }).map(
  ([name, version]) => [name, hashesFor([{ encoding: "UTF8", version }])] as const,
);

const APART: readonly (readonly [name: string, types: readonly string[], one: string, other: string])[] = [
  ["NULL and an empty text", ["text", "text"], "(null, 'b')", "('', 'b')"],
  ["NULL and zero", ["integer", "text"], "(null, 'b')", "(0, 'b')"],
  ["one split of two texts and another", ["text", "text"], "('a,b', 'c')", "('a', 'b,c')"],
  ["two values changed round within a row", ["text", "text"], "('a', 'b')", "('b', 'a')"],
  ["two values changed round between rows", ["text", "text"], "('a', 'x'), ('b', 'y')", "('a', 'y'), ('b', 'x')"],
  ["a row once and twice", ["text", "text"], "('a', 'x')", "('a', 'x'), ('a', 'x')"],
  ["quotes inside and around", ["text", "text"], `('"a"', 'b')`, "('a', 'b')"],
  ["a backslash and two", ["text", "text"], "('\\', 'b')", "('\\\\', 'b')"],
  ["case", ["text", "text"], "('a', 'b')", "('A', 'b')"],
  ["a blank at the end", ["text", "text"], "('a', 'b')", "('a ', 'b')"],
  ["a zero and a negative zero", ["double precision", "text"], "(0, 'b')", "('-0', 'b')"],
  ["the last bit of a number", ["double precision", "text"], "(0.1, 'b')", "(0.10000000000000002, 'b')"],
  ["a number in JSON and its other writing", ["jsonb", "text"], "('1', 'b')", "('1.0', 'b')"],
  ["one nesting of JSON and another", ["jsonb", "text"], "('[[1], 2]', 'b')", "('[[1, 2]]', 'b')"],
  ["JSON null and NULL", ["jsonb", "text"], "('null', 'b')", "(null, 'b')"],
  [
    "one microsecond",
    ["timestamp with time zone", "text"],
    "('2026-01-01', 'b')",
    "('2026-01-01 00:00:00.000001', 'b')",
  ],
  [
    "dates whose halves come to the same",
    ["timestamp with time zone", "text"],
    "('2000-01-01 00:00:00.000001Z', 'b')",
    "('2000-01-01 01:11:34.967296Z', 'b')",
  ],
];

test.for(APART)("every hash tells %s apart", async ([, types, first, second]) => {
  await using database = await freshDatabase();
  await using postgres = openPostgres({ url: new Secret(database.url), name: "digests", maxSessions: 1 });
  await using session = await postgres.session();
  const two = types.map((type, index) => column(`c${index}`, type));
  const casts = two.map(({ column: name, type }) => `${name}::${type}`).join(", ");
  const digest = (values: string, hashes: RowShape["hashes"]) => {
    const rows = `select ${casts} from (values ${values}, (null, null)) r(c0, c1)`;
    return session.query(digestQuery(rows, { columns: two, key: [], hashes }));
  };

  for (const [name, hashes] of HASHES) {
    expect(await digest(first, hashes), name).not.toEqual(await digest(second, hashes));
    expect(await digest(first, hashes), name).toEqual(await digest(first, hashes));
  }
});
