// Own reader: npm's pickleparser 0.2.1 makes 1.0 and 1, and tuple and list, the same, takes any class name, and trusts lengths.
import { orReason, Refusal } from "./changes.ts";
import { type Item, PickleMachine } from "./pickle-machine.ts";
import { OPCODES } from "./pickle-opcodes.ts";
import { MAX_DEPTH } from "./python-text.ts";
import type { PyValue } from "./python-value.ts";

const STOP = 0x2e;

/** A value, or the reason why there is none: `refused: os.system`, `the pickle is cut short`, ... */
export type PickleResult =
  | { readonly ok: true; readonly value: PyValue }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads a Python pickle of protocol 0 to 5 without ever running anything: data opcodes and a fixed list of known classes.
 *
 * Safe on hostile input: nothing is imported, lengths are believed only as far as the input goes, and cycles, nesting beyond 1000
 * levels, integers beyond 4300 digits, unknown classes and bytes after the end give `ok: false`. Never throws for any input.
 */
export function readPickle(bytes: Buffer): PickleResult {
  return orReason<PickleResult>(() => ({ ok: true, value: run(bytes) }));
}

function run(bytes: Buffer): PyValue {
  const machine = new PickleMachine(bytes);
  for (;;) {
    const code = bytes[machine.at++];
    if (code === STOP) break;
    if (code === undefined) throw new Refusal("the pickle is cut short");
    const handler = OPCODES[code];
    if (handler === undefined) throw new Refusal(`opcode 0x${code.toString(16)} is unknown`);
    handler(machine);
  }
  return result(machine);
}

function result(machine: PickleMachine): PyValue {
  const value = machine.pop();
  if (machine.stack.length > 0 || machine.marks.length > 0) throw new Refusal("the pickle leaves more than one value");
  if (machine.at !== machine.bytes.length) throw new Refusal("there are bytes after the end of the pickle");
  if (machine.unbuilt !== 0) throw new Refusal("an object was left without its state");
  if (machine.mustCheck || machine.containers > MAX_DEPTH) assertPlain(value, 0, new Map());
  return value as PyValue; // assertPlain has found no internals, or no opcode that makes some was met
}

const IN_PROGRESS = -1;

/**
 * Refuses cycles, values that are classes or unknown state, and nesting that is too deep; gives the height of the item.
 * A part that is shared is walked once, so that a small pickle of huge meaning costs no more than its size.
 */
function assertPlain(item: Item, depth: number, heights: Map<object, number>): number {
  if (typeof item !== "object" || item === null) return 0;
  if (item.kind === "global" || item.kind === "opaque") throw new Refusal(`refused: ${item.name} as a value`);
  if (!("items" in item)) return 0;
  const known = heights.get(item);
  if (known === IN_PROGRESS) throw new Refusal("the value contains itself");
  if (known === undefined) heights.set(item, IN_PROGRESS);
  let height = known ?? 0;
  if (depth + height >= MAX_DEPTH) throw new Refusal(`the value is nested deeper than ${MAX_DEPTH} levels`);
  if (known !== undefined) return known;
  for (const child of item.items) height = Math.max(height, assertPlain(child, depth + 1, heights));
  heights.set(item, height + 1);
  return height + 1;
}
