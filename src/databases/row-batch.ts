import type { RawRow, RawValue } from "../ports/raw-source.ts";

const MOST_ROWS = 200;
/** A row may hold megabytes. */
const MOST_BYTES = 256 * 1024;

function sizeOf(value: RawValue): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
}

/** Rows that are handed over together: as many as fit in memory many times over. */
export class RowBatch {
  #rows: RawRow[] = [];
  #bytes = 0;

  /** True when the batch is full and wants to be taken. */
  add(row: RawRow): boolean {
    this.#rows.push(row);
    for (const value of row) this.#bytes += sizeOf(value);
    return this.#rows.length >= MOST_ROWS || this.#bytes >= MOST_BYTES;
  }

  /** What was added since the last time. */
  take(): readonly RawRow[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    return rows;
  }
}
