import { Refusal } from "./changes.ts";
import { decodeSurrogatePass } from "./python-text.ts";
import type { PyRecord, PyValue } from "./python-value.ts";

/** Things on a pickle's stack that are no values: a permitted class or function, and state that nobody needs. */
export type Internal =
  | { readonly kind: "global"; readonly name: string }
  | { readonly kind: "opaque"; readonly name: string };

/** A container while it is filled. It becomes a readonly {@link PyRecord} when the pickle ends. */
export interface Filling {
  readonly kind: "list" | "tuple" | "set" | "frozenset" | "dict";
  readonly items: Item[];
}

export type Item = PyValue | Internal | Filling;

const MAX_CONTAINERS = 5_000_000;

/** The state of one unpickling: input, stack, marks and memo. Holds no more than a few objects per byte of input. */
export class PickleMachine {
  readonly bytes: Buffer;
  at = 0;
  readonly stack: Item[] = [];
  readonly marks: number[] = [];
  readonly memo: Item[] = [];
  containers = 0;
  /** True when the result may hold cycles or internals, so that it has to be walked through. */
  mustCheck = false;
  /** Objects made by NEWOBJ whose state has not come yet. */
  unbuilt = 0;

  #workLeft: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#workLeft = 16 * bytes.length + 65_536;
  }

  /**
   * Accounts for items that are copied or searched. Real pickles use each argument once; one that names a large argument again and
   * again would otherwise cost the square of its size.
   */
  charge(items: readonly Item[]): void {
    for (const item of items) this.#workLeft -= sizeOf(item);
    if (this.#workLeft < 0) throw new Refusal("the pickle uses the same parts too often");
  }

  /** Moves over `count` bytes and gives the offset of the first. */
  take(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from) throw new Refusal("the pickle is cut short");
    this.at = from + count;
    return from;
  }

  /** A length of 8 bytes; one beyond the input is refused before anything is allocated. */
  takeLength8(): number {
    const length = this.bytes.readBigUInt64LE(this.take(8));
    if (length > BigInt(this.bytes.length - this.at)) throw new Refusal("the pickle is cut short");
    return Number(length);
  }

  takeSlice(count: number): Buffer {
    const from = this.take(count);
    return this.bytes.subarray(from, from + count);
  }

  takeText(count: number): string {
    const from = this.take(count);
    const text = this.bytes.toString("utf8", from, from + count);
    return text.includes("\uFFFD") ? decodeSurrogatePass(this.bytes.subarray(from, from + count)) : text;
  }

  /** The rest of the line as latin-1 text, for the opcodes of protocol 0. */
  takeLine(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end === -1) throw new Refusal("the pickle is cut short");
    const line = this.bytes.toString("latin1", this.at, end);
    this.at = end + 1;
    return line;
  }

  push(item: Item): void {
    this.stack.push(item);
  }

  pushContainer(kind: Filling["kind"], items: Item[]): void {
    this.containers++;
    if (this.containers > MAX_CONTAINERS) throw new Refusal("the pickle has too many containers");
    this.stack.push({ kind, items });
  }

  pop(): Item {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw new Refusal("the pickle takes more than it put");
    return this.stack.pop() as Item; // the line above says there is one
  }

  top(): Item {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw new Refusal("the pickle takes more than it put");
    return this.stack[this.stack.length - 1] as Item;
  }

  /** Takes everything above the last mark. */
  popToMark(): Item[] {
    const from = this.popMark();
    const items = this.stack.slice(from);
    this.stack.length = from;
    return items;
  }

  popMark(): number {
    const from = this.marks.pop();
    if (from === undefined) throw new Refusal("the pickle has no mark where one is needed");
    return from;
  }

  remember(index: number): void {
    // A memo has at most one entry per byte written, so a larger index is made up, and would allocate without bound.
    if (index > this.bytes.length) throw new Refusal("the pickle's memo index is out of range");
    this.memo[index] = this.top();
  }

  recall(index: number): void {
    const item = this.memo[index];
    if (item === undefined) throw new Refusal("the pickle asks for a memo entry that it never made");
    if (typeof item === "object" && item !== null) this.mustCheck = true;
    this.stack.push(item);
  }
}

/** True for a record of the kind, be it a value, a container being filled or an internal. */
export function isKind<K extends (PyRecord | Internal | Filling)["kind"]>(
  item: Item | undefined,
  kind: K,
): item is (PyRecord | Internal | Filling) & { readonly kind: K } {
  return typeof item === "object" && item !== null && item.kind === kind;
}

function sizeOf(item: Item): number {
  if (typeof item === "string") return item.length;
  if (typeof item !== "object" || item === null) return 1;
  if ("items" in item) return item.items.length;
  return "bytes" in item ? item.bytes.length : 1;
}
