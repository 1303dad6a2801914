import { inflateSync } from "node:zlib";
import type { Sql } from "../../domain/entity.ts";
import { isInRange, type Range, type Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";

/** A DAG as its environment last parsed it. */
export interface SerializedDag {
  readonly dagId: string;
  /** Parsed `serialized_dag.data`; null where it can not be read: no JSON, or larger than 64 MiB. */
  readonly data: unknown;
}

interface SerializedRow {
  readonly in: Range;
  /** The compressed form, where `compress_serialized_dags` keeps it there. */
  readonly compressed: Sql;
  /** Which of several versions comes first. */
  readonly newest: Sql;
}

/** Where each release keeps serialised DAGs: compressed from 2.4 on at the latest, in versions from 3.0 on. Source: the recorded schemas. */
const ROWS: readonly SerializedRow[] = [
  { in: "<2.3", compressed: "null::bytea", newest: "s.last_updated desc" },
  { in: ">=2.3 <3.0", compressed: "s.data_compressed", newest: "s.last_updated desc" },
  { in: ">=3.0", compressed: "s.data_compressed", newest: "s.created_at desc, s.last_updated desc" },
];

/** Some DAGs are a megabyte. */
const PAGE = 50;
const LARGEST_BYTES = 64 * 1024 * 1024;

/** The SELECT of one page: `$1` is the last DAG of the page before, `$2` the DAGs wanted or null for all. */
export function serializedPageSql(release: Release): Sql {
  const row = ROWS.find((each) => isInRange(release, each.in));
  if (row === undefined) throw new Error(`no row for the serialised DAGs of ${release}`);
  return `select distinct on (s.dag_id) s.dag_id, s.data::text as data, ${row.compressed} as compressed
from serialized_dag s where s.dag_id > $1 and ($2::text[] is null or s.dag_id = any($2)) order by s.dag_id, ${row.newest} limit ${PAGE}`;
}

interface Page extends Readonly<Record<string, unknown>> {
  readonly dag_id: string;
  readonly data: string | null;
  readonly compressed: Buffer | null;
}

/** The serialised DAGs of a side in order of their ids, in constant memory; of given ids, or all. */
export async function* readSerializedDags(
  session: Session,
  release: Release,
  dagIds?: readonly string[],
): AsyncGenerator<SerializedDag> {
  const sql = serializedPageSql(release);
  let last = "";
  for (;;) {
    const page = await session.query<Page>(sql, [last, dagIds ?? null]);
    for (const { dag_id: dagId, data, compressed } of page) yield { dagId, data: parse(data, compressed) };
    if (page.length < PAGE) return;
    last = page.at(-1)?.dag_id ?? last;
  }
}

function parse(data: string | null, compressed: Buffer | null): unknown {
  try {
    // Limited: what unpacks to more than any DAG is a bomb.
    const text =
      data ?? (compressed === null ? "null" : inflateSync(compressed, { maxOutputLength: LARGEST_BYTES }).toString());
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
