import { Readable } from "node:stream";
import { createConnection } from "mysql2";
import { beforeAll, expect, test } from "vitest";
import { writeChunk } from "../../../src/databases/mysql/target-chunk.ts";
import type { TargetTable, UploadRows } from "../../../src/ports/raw-target.ts";
import { anEmptyMariadb, type TestMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

const TABLE = `create table t (
  id int not null primary key, name varchar(20) unique, body text, raw blob, emoji varchar(10) character set utf8mb3, n float, at timestamp(6) null
) character set utf8mb4 collate utf8mb4_unicode_ci`;

const column = (name: string, type: string) => ({ name, type, ignoresCase: false, isRequired: false });
const table: TargetTable = {
  name: "t",
  columns: [
    column("id", "int"),
    column("name", "varchar"),
    column("body", "text"),
    column("raw", "blob"),
    column("emoji", "varchar"),
    column("n", "float"),
    column("at", "timestamp"),
  ],
  key: ["id"],
  uniques: [{ name: "name", columns: ["name"] }],
  references: [],
};

type Value = string | null;

/** As Postgres' COPY writes it: every value quoted, NULL bare. In pieces, as it comes over a socket. */
function rowsOf(rows: readonly (readonly Value[])[]): UploadRows {
  const csv = rows
    .map((row) => row.map((value) => (value === null ? "NULL" : `"${value.replaceAll('"', '""')}"`)).join(","))
    .map((line) => `${line}\n`)
    .join("");
  const bytes = Buffer.from(csv);
  return {
    columns: table.columns.map(({ name }) => ({ name, isHex: name === "raw" })),
    open: async () =>
      Readable.from(
        Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7)),
        { objectMode: false },
      ),
  };
}

async function written(database: TestMariadb, chunk: { after?: UploadRows; before?: UploadRows }, takesFiles: boolean) {
  const url = new URL(database.url);
  const connection = createConnection({
    host: "127.0.0.1",
    port: Number(url.port),
    user: "root",
    database: database.name,
    charset: "UTF8MB4_BIN",
    flags: ["+LOCAL_FILES"],
  });
  try {
    await new Promise((resolve) =>
      connection.query("set sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'", resolve),
    );
    const options = { abilities: { takesFiles }, database: "test" };
    return await writeChunk(connection, { name: "t added 0", table, ...chunk }, options);
  } finally {
    connection.destroy();
  }
}

const HARD = [
  "",
  "NULL",
  "\\N",
  "\\",
  '"',
  '""',
  '","',
  'a"\nb",\r\n"c',
  "\t\u0001\\0",
  "日本語 😀",
  " x ",
  "\\'; --",
] as const;
const empty = (id: number, name: Value): readonly Value[] => [String(id), name, null, null, null, null, null];

onEachServer((at) => {
  beforeAll(async () => {
    // Off in MySQL, and a test that loads files has to say so.
    await using database = await anEmptyMariadb(at());
    await database.query("set global local_infile = on");
  });

  for (const takesFiles of [true, false]) {
    const way = takesFiles ? "LOAD DATA" : "INSERT";

    test(`by ${way} every value arrives as it is`, async () => {
      const server = at();
      await using database = await anEmptyMariadb(server);
      await database.query(TABLE);
      const rows = HARD.map((text, id) => [
        String(id),
        `n${id}`,
        text,
        "00ff0a22",
        null,
        "0.1",
        "2024-02-29 23:59:59.999999",
      ]);

      const first = await written(database, { after: rowsOf([...rows, empty(99, null)]) }, takesFiles);
      const again = await written(database, { after: rowsOf([...rows, empty(99, null)]) }, takesFiles);

      expect([first.rows, again.rows]).toEqual([13, 13]);
      const there = await database.query(
        "select body, hex(raw) as raw, n, cast(at as char) as at from t where id < 99 order by id",
      );
      expect(there.map((row) => row["body"])).toEqual(HARD);
      expect(there[0]).toMatchObject({ raw: "00FF0A22", n: 0.1, at: "2024-02-29 23:59:59.999999" });
      const [nothing] = await database.query("select name, body, raw, n, at from t where id = 99");
      expect(Object.values(nothing ?? {})).toEqual([null, null, null, null, null]);
    });

    test.for([
      ["a character without a place", ["1", "a", null, null, "😀", null, null]],
      ["a text that is too long", ["1", "x".repeat(21), null, null, null, null, null]],
      ["a time without a place", ["1", "a", null, null, null, null, "2110-01-01 00:00:00"]],
      ["a date that is none", ["1", "a", null, null, null, null, "2024-02-30 00:00:00"]],
      ["a number without a place", ["1", "a", null, null, null, "NaN", null]],
    ] as const)(`by ${way} %s is refused and nothing of the chunk stays`, async ([, row]) => {
      const server = at();
      await using database = await anEmptyMariadb(server);
      await database.query(TABLE);

      await expect(written(database, { after: rowsOf([empty(7, "fits"), row]) }, takesFiles)).rejects.toMatchObject({
        code: "UPLOAD_REFUSED",
      });

      expect(await database.query("select id from t")).toEqual([]);
    });
  }

  test("a row of the target's own under the same key or name stops the chunk and stays", async () => {
    const server = at();
    await using database = await anEmptyMariadb(server);
    await database.query(`${TABLE}; insert into t (id, name) values (1, 'own')`);

    const sameKey = written(database, { after: rowsOf([empty(1, "other")]) }, true);
    await expect(sameKey).rejects.toMatchObject({ code: "UPLOAD_CONFLICT" });
    const sameName = written(database, { after: rowsOf([empty(2, "own")]) }, true);
    await expect(sameName).rejects.toMatchObject({ code: "UPLOAD_CONFLICT" });

    expect(await database.query("select id, name from t")).toEqual([{ id: 1, name: "own" }]);
  });

  test("an update writes what the copy changed, leaves what the target changed, and stops where both changed the same", async () => {
    const server = at();
    await using database = await anEmptyMariadb(server);
    await database.query(`${TABLE}; insert into t (id, name, body, n) values (1, 'A', 'meanwhile', 1)`);
    const before = rowsOf([["1", "a", "then", null, null, "1", null]]);
    await database.query("update t set name = 'a' where id = 1");

    await written(database, { before, after: rowsOf([["1", "b", "then", null, null, "1", null]]) }, true);
    const both = written(database, { before, after: rowsOf([["1", "b", "now", null, null, "1", null]]) }, true);
    await expect(both).rejects.toMatchObject({ code: "UPLOAD_CONFLICT" });

    expect(await database.query("select name, body from t")).toEqual([{ name: "b", body: "meanwhile" }]);
  });

  test("rows are deleted only as they were read", async () => {
    const server = at();
    await using database = await anEmptyMariadb(server);
    await database.query(`${TABLE}; insert into t (id, name) values (1, 'a'), (2, 'CHANGED')`);

    await written(database, { before: rowsOf([empty(1, "a"), empty(3, "gone")]) }, true);
    const changed = written(database, { before: rowsOf([empty(2, "changed")]) }, true);
    await expect(changed).rejects.toMatchObject({ code: "UPLOAD_CONFLICT" });

    expect(await database.query("select id from t")).toEqual([{ id: 2 }]);
  });
});
