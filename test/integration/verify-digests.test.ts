import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { OutputColumn } from "../../src/engine/translate/translate.ts";
import { chooseHashes, digestQuery, hashesQuery } from "../../src/engine/verify/digest-sql.ts";
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
  expect((await chooseHashes([one, one])).first("t")).toContain("hashtextextended");
});

test.for([
  ["NULL and an empty text", "null::text, 'b'", "'', 'b'"],
  ["one split of two texts and another", "'a,b', 'c'", "'a', 'b,c'"],
  ["quotes inside and around", `'"a"', 'b'`, "'a', 'b'"],
  ["a backslash and two", `'\\', 'b'`, `'\\\\', 'b'`],
] as const)("tells %s apart", async ([, first, second]) => {
  await using database = await freshDatabase();
  await using postgres = openPostgres({ url: new Secret(database.url), name: "digests", maxSessions: 1 });
  await using session = await postgres.session();
  const two = [column("x", "text"), column("y", "text")];
  const shape = { columns: two, key: [], hashes: await chooseHashes([session]) };
  const digest = (values: string) => session.query(digestQuery(`select * from (values (${values})) r(x, y)`, shape));

  expect(await digest(first)).not.toEqual(await digest(second));
  expect(await digest(first)).toEqual(await digest(first));
});
