import type { Sql } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import type { OutputColumn } from "../translate/translate.ts";
import { hashesQuery, type RowShape, shownValue, valuesQuery } from "./digest-sql.ts";
import type { ColumnDifference, RowDifference } from "./report.ts";

/** One side's rows: a query, and a session in a transaction to run it in. */
export interface SideRows {
  readonly session: Session;
  readonly rows: Sql;
}

export interface TwoSides {
  readonly source: SideRows;
  readonly target: SideRows;
}

type Kind = RowDifference["kind"];

/** Keys of rows that differ: complete in number, the first ones by name. */
export interface DifferingKeys {
  readonly counts: Readonly<Record<Kind, number>>;
  readonly first: readonly { readonly kind: Kind; readonly key: string }[];
}

interface HashedRow extends Record<string, unknown> {
  readonly key: string;
  readonly hash: string;
}

/** Rows per round trip: memory stays the same however many differ. */
const PAGE_ROWS = 5000;

async function* hashedRows(side: SideRows, cursor: string, query: Sql): AsyncGenerator<HashedRow> {
  await side.session.query(`declare ${cursor} no scroll cursor for ${query}`);
  for (;;) {
    const page = await side.session.query<HashedRow>(`fetch ${PAGE_ROWS} from ${cursor}`);
    yield* page;
    if (page.length < PAGE_ROWS) break;
  }
  await side.session.query(`close ${cursor}`);
}

/** The order of bytes, as the servers sort. */
function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Which side is behind, by comparing the rows at hand: both when the keys are the same. */
function order(source: HashedRow | undefined, target: HashedRow | undefined): number {
  if (source === undefined) return 1;
  if (target === undefined) return -1;
  return compareKeys(source.key, target.key);
}

/** Joins both sides by key, in some buckets, a page at a time. `most`: how many differing keys are kept. */
export async function findDifferingKeys(
  sides: TwoSides,
  shape: RowShape,
  { buckets, most }: { readonly buckets: readonly number[]; readonly most: number },
): Promise<DifferingKeys> {
  const counts = { different: 0, missing: 0, unexpected: 0 };
  const first: { kind: Kind; key: string }[] = [];
  const note = (kind: Kind, key: string) => {
    counts[kind]++;
    if (first.length < most) first.push({ kind, key });
  };
  const sources = hashedRows(sides.source, "crosswind_source", hashesQuery(sides.source.rows, shape, buckets));
  const targets = hashedRows(sides.target, "crosswind_target", hashesQuery(sides.target.rows, shape, buckets));
  let [source, target] = [await sources.next(), await targets.next()];
  for (;;) {
    const [here, there] = [
      source.done === true ? undefined : source.value,
      target.done === true ? undefined : target.value,
    ];
    if (here === undefined && there === undefined) return { counts, first };
    const behind = order(here, there);
    if (behind < 0) note("missing", here?.key ?? "");
    else if (behind > 0) note("unexpected", there?.key ?? "");
    else if (here?.hash !== there?.hash) note("different", here?.key ?? "");
    if (behind <= 0) source = await sources.next();
    if (behind >= 0) target = await targets.next();
  }
}

type Values = Readonly<Record<string, string | null>>;

async function readValues(side: SideRows, query: Sql, keys: readonly string[]): Promise<ReadonlyMap<string, Values>> {
  if (keys.length === 0) return new Map();
  const rows = await side.session.query<Values>(query, [keys]);
  return new Map(rows.map((row) => [row["k"] ?? "", row]));
}

function differingColumns(
  columns: readonly OutputColumn[],
  source: Values,
  target: Values,
): readonly ColumnDifference[] {
  return columns.flatMap((column, index) => {
    const [ours, theirs] = [source[`v${index}`] ?? null, target[`v${index}`] ?? null];
    if (ours === theirs) return [];
    return [{ column: column.column, source: shownValue(column, ours), target: shownValue(column, theirs) }];
  });
}

/** Reads the rows of differing keys on both sides, down to column and value. `labels`: columns of the queries that name a row. */
export async function describeDifferences(
  sides: TwoSides,
  shape: RowShape,
  what: { readonly entity: string; readonly labels: readonly string[]; readonly keys: DifferingKeys["first"] },
): Promise<readonly RowDifference[]> {
  const on = (side: "missing" | "unexpected") =>
    what.keys.filter((each) => each.kind === "different" || each.kind === side).map((each) => each.key);
  const read = (side: SideRows, keys: readonly string[]) =>
    readValues(side, valuesQuery(side.rows, shape, what.labels), keys);
  const source = await read(sides.source, on("missing"));
  const target = await read(sides.target, on("unexpected"));
  return what.keys.map(({ kind, key }) => {
    const [ours, theirs] = [source.get(key), target.get(key)];
    const named = ours ?? theirs;
    const label = what.labels.map((_, index) => named?.[`l${index}`] ?? "").join(" · ");
    const columns = ours === undefined || theirs === undefined ? [] : differingColumns(shape.columns, ours, theirs);
    return { entity: what.entity, kind, label, columns };
  });
}
