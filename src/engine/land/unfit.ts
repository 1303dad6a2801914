import type { Finding } from "../../domain/finding.ts";
import type { RawRow } from "../../ports/raw-source.ts";
import type { LandedShape } from "./landed-shape.ts";

/** Named in a finding; the others are counted. */
const MOST_NAMED = 20;
const LONGEST_LABEL = 120;

interface Group {
  readonly table: string;
  readonly column: string;
  readonly reason: string;
  readonly rows: string[];
  count: number;
}

function keyValue(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value);
  // A key may be the very value that can not be kept.
  const isPlain = !/[\p{Cc}\uFFFD]/u.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** What names a row to people; without anything that does, its number in the table. */
export function rowLabel({ raw, label: names }: LandedShape, row: RawRow, number: number): string {
  const values = names.map((name) => row[raw.columns.findIndex((column) => column.name === name)]);
  const label = values.length === 0 ? `row ${number}` : values.map(keyValue).join(" · ");
  return label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL)}…` : label;
}

/** Values that have no form in Postgres, collected while a source is landed. Never holds the value itself. */
export class UnfitValues {
  readonly #groups = new Map<string, Group>();

  add(place: { readonly table: string; readonly column: string; readonly reason: string; readonly row: string }): void {
    const { table, column, reason, row } = place;
    const id = JSON.stringify([table, column, reason]);
    const group = this.#groups.get(id) ?? { table, column, reason, rows: [], count: 0 };
    group.count += 1;
    if (group.rows.length < MOST_NAMED) group.rows.push(row);
    this.#groups.set(id, group);
  }

  /** A table is read again: what was found in it is found again. */
  forget(table: string): void {
    for (const [id, group] of this.#groups) if (group.table === table) this.#groups.delete(id);
  }

  /** One finding for each column and reason: it stops a copy where the table is copied, else it is for the record. */
  findings(isCopied: (table: string) => boolean): readonly Finding[] {
    return [...this.#groups.values()].map(({ table, column, reason, rows, count }) => ({
      code: "VALUE_NOT_LANDED",
      severity: isCopied(table) ? "blocker" : "note",
      what: `${count} ${count === 1 ? "value" : "values"} of ${table}.${column} can not be kept by Postgres: ${
        count === 1 ? "it" : "each"
      } ${reason} (${rows
        .slice(0, 3)
        .map((row) => `"${row}"`)
        .join(", ")}${count > 3 ? ` and ${count - 3} more` : ""})`,
      next: isCopied(table) ? [`mend or delete these rows of ${table} on the source, then plan again`] : [],
      subjects: rows.map((row) => `${table} · ${row}`),
      count,
    }));
  }
}
