import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { identifier, type OutputColumn } from "../translate/translate.ts";

/** How many groups an entity's rows are digested in: a difference costs reading one of them again. */
const BUCKETS = 256;

/** Two 64-bit hashes of a text, and its bucket. */
interface Hashes {
  readonly first: (text: Sql) => Sql;
  readonly second: (text: Sql) => Sql;
  readonly bucket: (text: Sql) => Sql;
}

/** Postgres' own hash: over the bytes of the server's encoding, from version 11 on. */
const NATIVE: Hashes = {
  first: (text) => `hashtextextended(${text}, 0)`,
  second: (text) => `hashtextextended(${text}, 1)`,
  bucket: (text) => `(hashtextextended(${text}, 2) & ${BUCKETS - 1})::integer`,
};

function md5Part(text: Sql, part: { readonly from: number; readonly digits: number }): Sql {
  return `('x' || substr(md5(convert_to(${text}, 'UTF8')), ${part.from}, ${part.digits}))::bit(${part.digits * 4})`;
}

/** The same on every server, and slower. */
const PORTABLE: Hashes = {
  first: (text) => `${md5Part(text, { from: 1, digits: 16 })}::bigint`,
  second: (text) => `${md5Part(text, { from: 17, digits: 16 })}::bigint`,
  bucket: (text) => `${md5Part(text, { from: 1, digits: 2 })}::integer`,
};

const FIRST_WITH_NATIVE = 110_000;

/** The hashes that both servers can make and that agree. */
export async function chooseHashes(sessions: readonly Session[]): Promise<Hashes> {
  const facts = await Promise.all(
    sessions.map((session) =>
      session.query<{ encoding: string; version: string }>(
        "select current_setting('server_encoding') as encoding, current_setting('server_version_num') as version",
      ),
    ),
  );
  const rows = facts.flat();
  const isNative =
    new Set(rows.map((row) => row.encoding)).size === 1 &&
    rows.every((row) => Number(row.version) >= FIRST_WITH_NATIVE);
  return isNative ? NATIVE : PORTABLE;
}

/** What gives the bytes of a floating point number. */
const SEND: Readonly<Record<string, (value: Sql) => Sql>> = {
  "double precision": (value) => `float8send(${value})`,
  // Only what mirrors a FLOAT of MySQL, which has no negative zero.
  real: (value) => `float4send(${value} + 0::real)`,
};

/** Releases of Postgres write floating point numbers as text in different ways; their bytes are the same everywhere. */
function exact(column: OutputColumn): Sql {
  const name = identifier(column.column);
  const send = SEND[column.type];
  return send === undefined ? name : send(name);
}

/** Text of several columns that tells NULL from an empty text and one split from another: the text form of a row value. */
function rowText(columns: readonly OutputColumn[]): Sql {
  return `row(${columns.map(exact).join(", ")})::text`;
}

/** How the rows of a query are told apart: by the text of all compared columns, by that of the key. */
export interface RowShape {
  readonly columns: readonly OutputColumn[];
  readonly key: readonly OutputColumn[];
  readonly hashes: Hashes;
}

function texts(rows: Sql, { columns, key }: RowShape): Sql {
  // Kept apart with OFFSET 0: the text is long and is hashed twice.
  return `select ${rowText(columns)} as t, ${rowText(key)} as k from (${rows}) r offset 0`;
}

/** By bucket: how many rows, and two sums of hashes of their text. */
export function digestQuery(rows: Sql, shape: RowShape): Sql {
  const { first, second, bucket } = shape.hashes;
  return `select ${bucket("k")} as bucket, count(*)::text as rows, sum(${first("t")})::text as first, sum(${second("t")})::text as second
    from (${texts(rows, shape)}) x group by 1`;
}

/** Rows of some buckets in the order of their keys, which is that of bytes: key and hash. */
export function hashesQuery(rows: Sql, shape: RowShape, buckets: readonly number[]): Sql {
  const { first, second, bucket } = shape.hashes;
  return `select k as key, ${first("t")}::text || ' ' || ${second("t")}::text as hash
    from (${texts(rows, shape)}) x where ${bucket("k")} = any(array[${buckets.join(",")}]) order by convert_to(k, 'UTF8'), 2`;
}

/** Rows of a query that are in some buckets, all of their columns. */
export function inBuckets(rows: Sql, shape: RowShape, buckets: readonly number[]): Sql {
  const key = shape.hashes.bucket(rowText(shape.key));
  return `select * from (${rows}) r where ${key} = any(array[${buckets.join(",")}])`;
}

/** Longer values are cut in a report. */
const SHOWN_CHARACTERS = 10_000;

/** The values of the rows with given keys (parameter 1): `k`; by column `v0..` as text, cut, and `m0..` a digest of all of it. */
export function valuesQuery(rows: Sql, shape: RowShape, labels: readonly string[]): Sql {
  const values = shape.columns.map((column, index) => {
    const text = `${exact(column)}::text`;
    const cut = `left(${text}, ${SHOWN_CHARACTERS}) || ' … (' || length(${text}) || ' characters, md5 ' || md5(convert_to(${text}, 'UTF8')) || ')'`;
    return `case when length(${text}) > ${SHOWN_CHARACTERS} then ${cut} else ${text} end as v${index}`;
  });
  const named = labels.map((label, index) => `${identifier(label)} as l${index}`);
  return `select k, ${[...values, ...named].join(", ")} from (
    select *, ${rowText(shape.key)} as k from (${rows}) r offset 0) x where k = any($1::text[])`;
}

/** A value of {@link valuesQuery} as people read it. */
export function shownValue(column: OutputColumn, text: string | null): string | null {
  if (column.isHidden === true && text !== null) return "hidden";
  if (text === null || SEND[column.type] === undefined) return text;
  const bytes = Buffer.from(text.slice(2), "hex");
  const value = column.type === "real" ? bytes.readFloatBE(0) : bytes.readDoubleBE(0);
  return Object.is(value, -0) ? "-0" : String(value);
}
