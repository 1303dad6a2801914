/** Version byte in front of a binary jsonb. Source: PostgreSQL, src/backend/utils/adt/jsonb.c, `jsonb_recv`. */
const JSONB_VERSION = 1;
const LENGTH_BYTES = 4;

/** What a piece of a stream becomes, written into one buffer: an object per value would cost more than the value. */
export class OutputBuffer {
  #bytes: Buffer;
  #length = 0;

  constructor(expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(expectedBytes, 64));
  }

  /** Appends `source` from `start` to `end`, exclusive. */
  append(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#length += source.copy(this.#bytes, this.#length, start, end);
  }

  /** Appends a field of a binary COPY: its length, then its content; null is a length of -1. */
  appendField(value: Buffer | null, type: string): void {
    const isJsonb = type === "jsonb";
    const bytes = value === null ? -1 : value.length + (isJsonb ? 1 : 0);
    this.#reserve(LENGTH_BYTES + Math.max(bytes, 0));
    this.#length = this.#bytes.writeInt32BE(bytes, this.#length);
    if (value === null) return;
    if (isJsonb) this.#length = this.#bytes.writeUInt8(JSONB_VERSION, this.#length);
    this.#length += value.copy(this.#bytes, this.#length);
  }

  /** What was written. The buffer must not be written to afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
