/** COPY's binary header: signature, flags, length of the header's extension (PostgreSQL manual, COPY, binary format). */
const HEADER = Buffer.from("5047434f50590aff0d0a000000000000000000", "hex");
const NULL_LENGTH = -1;
const TRAILER = -1;
const TWO_32 = 4_294_967_296;

/**
 * Binary COPY data, field after field, in one buffer that is handed over when it is full. A row is there whole or not at all: one that can not be
 * finished is taken back.
 */
export class CopyWriter {
  readonly #fullBytes: number;
  #buffer: Buffer;
  #at = 0;
  #rowAt = 0;
  #fieldAt = 0;

  /** @param fullBytes a buffer is handed over when it has as many. Default 64 KiB: with larger ones the garbage collector holds on to more memory than they save time */
  constructor(fullBytes = 64 * 1024) {
    this.#fullBytes = fullBytes;
    this.#buffer = Buffer.allocUnsafeSlow(fullBytes + fullBytes / 4);
    this.#at = HEADER.copy(this.#buffer);
  }

  get isFull(): boolean {
    return this.#at >= this.#fullBytes;
  }

  /** What was written since the last time; its memory is the taker's. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at);
    this.#buffer = Buffer.allocUnsafeSlow(this.#fullBytes + this.#fullBytes / 4);
    this.#at = 0;
    return taken;
  }

  beginRow(fields: number): void {
    this.#rowAt = this.#at;
    this.#room(2);
    this.#at = this.#buffer.writeInt16BE(fields, this.#at);
  }

  /** Takes back everything since the row was begun. */
  dropRow(): void {
    this.#at = this.#rowAt;
  }

  end(): void {
    this.#room(2);
    this.#at = this.#buffer.writeInt16BE(TRAILER, this.#at);
  }

  null(): void {
    this.#room(4);
    this.#at = this.#buffer.writeInt32BE(NULL_LENGTH, this.#at);
  }

  byte(value: number): void {
    this.#room(5);
    this.#at = this.#buffer.writeInt32BE(1, this.#at);
    this.#buffer[this.#at++] = value;
  }

  int32(value: number): void {
    this.#room(8);
    this.#at = this.#buffer.writeInt32BE(4, this.#at);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  /** A whole number within ±2^53. */
  int64(value: number): void {
    this.#room(12);
    const high = Math.floor(value / TWO_32);
    this.#at = this.#buffer.writeInt32BE(8, this.#at);
    this.#at = this.#buffer.writeInt32BE(high, this.#at);
    this.#at = this.#buffer.writeUInt32BE(value - high * TWO_32, this.#at);
  }

  bigInt64(value: bigint): void {
    this.#room(12);
    this.#at = this.#buffer.writeInt32BE(8, this.#at);
    this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
  }

  float64(value: number): void {
    this.#room(12);
    this.#at = this.#buffer.writeInt32BE(8, this.#at);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  float32(value: number): void {
    this.#room(8);
    this.#at = this.#buffer.writeInt32BE(4, this.#at);
    this.#at = this.#buffer.writeFloatBE(value, this.#at);
  }

  /** A field of bytes, after an optional first byte. */
  bytes(value: Uint8Array, first?: number): void {
    const length = value.length + (first === undefined ? 0 : 1);
    this.#room(4 + length);
    this.#at = this.#buffer.writeInt32BE(length, this.#at);
    if (first !== undefined) this.#buffer[this.#at++] = first;
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** A text in UTF-8, after an optional first byte. */
  text(value: string, first?: number): void {
    this.#room(5 + value.length * 3);
    this.#fieldAt = this.#at;
    this.#at += 4;
    if (first !== undefined) this.#buffer[this.#at++] = first;
    this.#at += this.#buffer.write(value, this.#at, "utf8");
    this.#buffer.writeInt32BE(this.#at - this.#fieldAt - 4, this.#fieldAt);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
