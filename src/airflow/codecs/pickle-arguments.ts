import { Refusal } from "./changes.ts";
import { type Item, isKind } from "./pickle-machine.ts";

/** An argument that must be text. */
export function text(item: Item | undefined): string {
  if (typeof item === "string") return item;
  throw new Refusal("a known class was given something else than text");
}

/** An argument that must be an int of up to 2^53. */
export function int(item: Item | undefined): number {
  if (typeof item === "number") return item;
  throw new Refusal("a known class was given something else than a number");
}

/** An int, or null where the argument is missing. */
export function optionalInt(item: Item | undefined): number | null {
  return item === undefined ? null : int(item);
}

/** An argument that must be a float or an int. */
export function float(item: Item | undefined): number {
  return isKind(item, "float") ? item.value : int(item);
}

/** The items of a list or tuple; none where the argument is missing. */
export function itemsOf(item: Item | undefined): readonly Item[] {
  if (item === undefined) return [];
  if (isKind(item, "list") || isKind(item, "tuple")) return item.items;
  throw new Refusal("a known class was given something else than a list");
}

/** Bytes; also Python 2's byte strings, which the reader has taken for text where they are UTF-8. */
export function rawBytes(item: Item | undefined): Buffer {
  if (isKind(item, "bytes")) return item.bytes;
  return Buffer.from(text(item), "utf8");
}
