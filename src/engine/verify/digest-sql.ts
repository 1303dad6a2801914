import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { identifier, type OutputColumn } from "../translate/translate.ts";

/** How many groups an entity's rows are digested in: a difference costs reading one of them again. */
export const BUCKETS = 256;

/** A value of a row, and its type on the target. */
interface Value {
  readonly sql: Sql;
  readonly type: string;
}

/** How servers make a 64-bit hash of a row's values, and a bucket of its key's. */
interface Hashes {
  readonly row: (values: readonly Value[]) => Sql;
  readonly bucket: (key: readonly Value[]) => Sql;
}

/**
 * The row as the server sends it to a client, in the client's encoding: with the number, types and lengths of all values, so no two rows have
 * the same. Less than half of the time that text takes: dates, ids and numbers are not written out.
 */
function sent(values: readonly Sql[]): Sql {
  return `record_send(row(${values.join(", ")}))`;
}

/** Postgres' own hash of bytes has a function of its own for arrays only. From version 11 on; releases may not change it. */
function hashOfBytes(bytes: Sql, seed: number): Sql {
  return `hash_array_extended(array[${bytes}], ${seed})`;
}

function asBucket(hash: Sql): Sql {
  return `(${hash} & ${BUCKETS - 1})::integer`;
}

function sqlOf(values: readonly Value[]): readonly Sql[] {
  return values.map((value) => value.sql);
}

/** Over what is sent: from version 11 on. */
const SENT: Hashes = {
  row: (values) => hashOfBytes(sent(sqlOf(values)), 0),
  bucket: (key) => asBucket(hashOfBytes(sent(sqlOf(key)), 2)),
};

/**
 * Types whose own hash takes in all of a value, and tells apart what is not the same byte by byte. Not so dates and bigint (folded to 32 bits),
 * floating point numbers (-0 is 0) and jsonb (1.0 is 1, and [[1], 2] is [[1, 2]]).
 */
const HASHED_AS_THEY_ARE: ReadonlySet<string> = new Set([
  "text",
  "character varying",
  "integer",
  "boolean",
  "uuid",
  "bytea",
]);

/**
 * Faster by a third: most values are hashed where they are, from version 14 on. That hash of a row is a sum over its columns; hashed once more,
 * with the other values beside it, it is none, and sums over rows tell when two rows swap a value. Needs texts in one encoding.
 */
const TYPED: Hashes = {
  row: (values) => {
    const [hashed, others] = [true, false].map((is) =>
      values.filter(({ type }) => HASHED_AS_THEY_ARE.has(type) === is),
    );
    const hash = `hash_record_extended(row(${sqlOf(hashed ?? []).join(", ")}), 0)`;
    return hashOfBytes(sent([...(hashed?.length === 0 ? [] : [hash]), ...sqlOf(others ?? [])]), 0);
  },
  bucket: (key) => asBucket(`hash_record_extended(row(${sqlOf(key).join(", ")}), 2)`),
};

/** The same on every server, and slower. */
const PORTABLE: Hashes = {
  row: (values) => `('x' || left(md5(${sent(sqlOf(values))}), 16))::bit(64)::bigint`,
  bucket: (key) => `('x' || left(md5(${sent(sqlOf(key))}), 2))::bit(8)::integer`,
};

const FIRST_WITH_HASHED_RECORDS = 140_000;
const FIRST_WITH_HASHED_ARRAYS = 110_000;

/** What says which hashes a server can make: its encoding, and its version as a number, as 150004. */
interface ServerFacts {
  readonly encoding: string;
  readonly version: number;
}

/** The fastest hashes that all servers can make and that agree. */
export function hashesFor(servers: readonly ServerFacts[]): Hashes {
  const oldest = Math.min(...servers.map((server) => server.version));
  if (oldest < FIRST_WITH_HASHED_ARRAYS) return PORTABLE;
  const isOneEncoding = new Set(servers.map((server) => server.encoding)).size === 1;
  return isOneEncoding && oldest >= FIRST_WITH_HASHED_RECORDS ? TYPED : SENT;
}

/** {@link hashesFor} the servers of these sessions. */
export async function chooseHashes(sessions: readonly Session[]): Promise<Hashes> {
  const facts = await Promise.all(
    sessions.map((session) =>
      session.query<{ encoding: string; version: number }>(
        "select current_setting('server_encoding') as encoding, current_setting('server_version_num')::int as version",
      ),
    ),
  );
  return hashesFor(facts.flat());
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

/** A negative zero of a FLOAT is none in MySQL. */
function valueOf({ column, type }: OutputColumn): Value {
  const name = identifier(column);
  return { sql: type === "real" ? `${name} + 0::real` : name, type };
}

/** How the rows of a query are told apart: by the values of all compared columns, by those of the key. */
export interface RowShape {
  readonly columns: readonly OutputColumn[];
  readonly key: readonly OutputColumn[];
  readonly hashes: Hashes;
}

/** By bucket: how many rows, and the sum of their hashes. */
export function digestQuery(rows: Sql, { columns, key, hashes }: RowShape): Sql {
  return `select ${hashes.bucket(key.map(valueOf))} as bucket, count(*)::text as rows, sum(${hashes.row(columns.map(valueOf))})::text as sum
    from (${rows}) r group by 1`;
}

/** Rows of some buckets in the order of their keys, which is that of bytes: key and hash. */
export function hashesQuery(rows: Sql, shape: RowShape, buckets: readonly number[]): Sql {
  return `select ${rowText(shape.key)} as key, ${shape.hashes.row(shape.columns.map(valueOf))}::text as hash
    from (${inBuckets(rows, shape, buckets)}) r order by convert_to(${rowText(shape.key)}, 'UTF8'), 2`;
}

/** Rows of a query that are in some buckets, all of their columns. */
export function inBuckets(rows: Sql, { key, hashes }: RowShape, buckets: readonly number[]): Sql {
  return `select * from (${rows}) r where ${isInBuckets(key.map(valueOf), hashes, buckets)}`;
}

/** Predicate: a key is in one of the buckets, by its values. */
export function isInBuckets(key: readonly Value[], { bucket }: Hashes, buckets: readonly number[]): Sql {
  return `${bucket(key)} = any(array[${buckets.join(",")}]::integer[])`;
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
