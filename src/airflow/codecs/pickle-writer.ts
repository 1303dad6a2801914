import { orReason } from "./changes.ts";
import { type JsonSink, scanJson } from "./json-scanner.ts";
import { encodeSurrogatePass } from "./python-text.ts";

/** Protocol 4 is read by Python 3.4 and later, 5 by 3.8 and later. */
export type PickleProtocol = 4 | 5;

/** Pickle bytes, or why the text could not be pickled. */
export type PickleBytes =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly reason: string };

const STOP = 0x2e;

/**
 * Turns JSON text into the pickle of what Python's `json.loads` makes of it: dict, list, str, int of any size, float, bool and None.
 * No memo is used, except that an empty object gives the very bytes Python writes for `{}`, which Airflow's own migration looks for.
 */
export function jsonToPickle(json: Buffer, protocol: PickleProtocol = 4): PickleBytes {
  const text = json.toString("utf8");
  return orReason<PickleBytes>(() => {
    const sink = new PickleSink(text, protocol);
    scanJson(text, sink);
    return { ok: true, bytes: sink.finish() };
  });
}

const MEMOIZE = 0x94;
const MARK = 0x28;
const CONSTANTS: Readonly<Record<string, number>> = { true: 0x88, false: 0x89, null: 0x4e };
const NON_FINITE: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity };

/** Writes opcodes into a buffer that doubles when it is full. */
class PickleSink implements JsonSink {
  readonly #text: string;
  #buffer = Buffer.allocUnsafe(256);
  #size = 0;
  /** True right after a container was opened: its mark is written with its first item only. */
  #isFirst = false;
  /** Per open container, whether it got a mark. */
  readonly #marked: boolean[] = [];

  constructor(text: string, protocol: PickleProtocol) {
    this.#text = text;
    this.#put(0x80, protocol);
  }

  finish(): Buffer {
    this.#put(STOP);
    return Buffer.from(this.#buffer.subarray(0, this.#size));
  }

  begin(isObject: boolean): void {
    this.#item();
    this.#put(isObject ? 0x7d : 0x5d, MEMOIZE);
    this.#isFirst = true;
    this.#marked.push(false);
  }

  end(isObject: boolean): void {
    this.#isFirst = false;
    if (this.#marked.pop() === true) this.#put(isObject ? 0x75 : 0x65);
  }

  string(from: number, to: number, about: { readonly isPlain: boolean }): void {
    this.#item();
    // A literal the scanner has accepted, so this cannot fail.
    const value = about.isPlain ? this.#text.slice(from + 1, to - 1) : String(JSON.parse(this.#text.slice(from, to)));
    const bytes = encodeSurrogatePass(value);
    if (bytes.length < 256) this.#put(0x8c, bytes.length);
    else this.#putUInt32(0x58, bytes.length);
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#size);
    this.#size += bytes.length;
  }

  number(from: number, to: number, isFloat: boolean): void {
    this.#item();
    const text = this.#text.slice(from, to);
    if (isFloat) this.#float(Number(text));
    else this.#integer(text);
  }

  word(from: number, to: number): void {
    this.#item();
    const word = this.#text.slice(from, to);
    const constant = CONSTANTS[word];
    if (constant === undefined) this.#float(NON_FINITE[word] ?? Number.NaN);
    else this.#put(constant);
  }

  #item(): void {
    if (!this.#isFirst) return;
    this.#isFirst = false;
    this.#marked[this.#marked.length - 1] = true;
    this.#put(MARK);
  }

  #float(value: number): void {
    this.#put(0x47);
    this.#reserve(8);
    this.#size = this.#buffer.writeDoubleBE(value, this.#size);
  }

  #integer(text: string): void {
    const value = Number(text);
    if (value >= 0 && value < 256) this.#put(0x4b, value);
    else if (value >= -(2 ** 31) && value < 2 ** 31) this.#putUInt32(0x4a, value >>> 0);
    else this.#bigInteger(BigInt(text));
  }

  #bigInteger(value: bigint): void {
    const magnitude = (value < 0n ? -value : value).toString(16);
    const length = Math.floor(magnitude.length / 2) + 1; // with room for the sign bit
    const hex = BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, "0");
    if (length < 256) this.#put(0x8a, length);
    else this.#putUInt32(0x8b, length);
    for (const byte of Buffer.from(hex, "hex").toReversed()) this.#put(byte);
  }

  #putUInt32(opcode: number, value: number): void {
    this.#put(opcode);
    this.#reserve(4);
    this.#size = this.#buffer.writeUInt32LE(value, this.#size);
  }

  #put(...bytes: readonly number[]): void {
    this.#reserve(bytes.length);
    for (const byte of bytes) this.#buffer[this.#size++] = byte;
  }

  #reserve(count: number): void {
    if (this.#size + count <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#size + count));
    this.#buffer.copy(larger, 0, 0, this.#size);
    this.#buffer = larger;
  }
}
