import { Refusal } from "./changes.ts";
import { applyState, construct, findGlobal, newObject } from "./pickle-globals.ts";
import { type Item, isKind, type PickleMachine } from "./pickle-machine.ts";
import { MAX_INTEGER_DIGITS } from "./python-text.ts";

type Handler = (machine: PickleMachine) => void;

/** Bytes of the longest integer that is read: enough for {@link MAX_INTEGER_DIGITS}. */
const MAX_INTEGER_BYTES = Math.ceil((MAX_INTEGER_DIGITS * Math.log2(10)) / 8) + 1;

const NUMBERS: Readonly<Record<number, Handler>> = {
  0x4e: (m) => m.push(null), // NONE
  0x88: (m) => m.push(true), // NEWTRUE
  0x89: (m) => m.push(false), // NEWFALSE
  0x4a: (m) => m.push(m.bytes.readInt32LE(m.take(4))), // BININT
  0x4b: (m) => m.push(m.bytes[m.take(1)] ?? 0), // BININT1
  0x4d: (m) => m.push(m.bytes.readUInt16LE(m.take(2))), // BININT2
  0x49: (m) => m.push(intLine(m.takeLine())), // INT
  0x4c: (m) => m.push(decimalInt(m.takeLine().replace(/L$/, ""))), // LONG
  0x8a: (m) => m.push(littleEndianInt(m, m.bytes[m.take(1)] ?? 0)), // LONG1
  0x8b: (m) => m.push(littleEndianInt(m, m.bytes.readInt32LE(m.take(4)))), // LONG4
  0x46: (m) => m.push({ kind: "float", value: floatLine(m.takeLine()) }), // FLOAT
  0x47: (m) => m.push({ kind: "float", value: m.bytes.readDoubleBE(m.take(8)) }), // BINFLOAT
};

const STRINGS: Readonly<Record<number, Handler>> = {
  0x56: (m) => m.push(rawUnicodeEscape(m.takeLine())), // UNICODE
  0x58: (m) => m.push(m.takeText(m.bytes.readUInt32LE(m.take(4)))), // BINUNICODE
  0x8c: (m) => m.push(m.takeText(m.bytes[m.take(1)] ?? 0)), // SHORT_BINUNICODE
  0x8d: (m) => m.push(m.takeText(m.takeLength8())), // BINUNICODE8
  0x53: (m) => m.push(pythonTwoString(quotedBytes(m.takeLine()))), // STRING
  0x54: (m) => m.push(pythonTwoString(m.takeSlice(m.bytes.readUInt32LE(m.take(4))))), // BINSTRING
  0x55: (m) => m.push(pythonTwoString(m.takeSlice(m.bytes[m.take(1)] ?? 0))), // SHORT_BINSTRING
  0x42: (m) => m.push({ kind: "bytes", bytes: m.takeSlice(m.bytes.readUInt32LE(m.take(4))) }), // BINBYTES
  0x43: (m) => m.push({ kind: "bytes", bytes: m.takeSlice(m.bytes[m.take(1)] ?? 0) }), // SHORT_BINBYTES
  0x8e: (m) => m.push({ kind: "bytes", bytes: m.takeSlice(m.takeLength8()) }), // BINBYTES8
  0x96: (m) => m.push({ kind: "bytes", bytes: m.takeSlice(m.takeLength8()) }), // BYTEARRAY8
};

const CONTAINERS: Readonly<Record<number, Handler>> = {
  0x28: (m) => void m.marks.push(m.stack.length), // MARK
  0x5d: (m) => m.pushContainer("list", []), // EMPTY_LIST
  0x29: (m) => m.pushContainer("tuple", []), // EMPTY_TUPLE
  0x7d: (m) => m.pushContainer("dict", []), // EMPTY_DICT
  0x8f: (m) => m.pushContainer("set", []), // EMPTY_SET
  0x6c: (m) => m.pushContainer("list", m.popToMark()), // LIST
  0x74: (m) => m.pushContainer("tuple", m.popToMark()), // TUPLE
  0x64: (m) => m.pushContainer("dict", pairs(m.popToMark())), // DICT
  0x91: (m) => m.pushContainer("frozenset", m.popToMark()), // FROZENSET
  0x85: (m) => m.pushContainer("tuple", [m.pop()]), // TUPLE1
  0x86: (m) => m.pushContainer("tuple", popItems(m, 2)), // TUPLE2
  0x87: (m) => m.pushContainer("tuple", popItems(m, 3)), // TUPLE3
  0x61: (m) => fill(m, "list", popItems(m, 1)), // APPEND
  0x65: (m) => fill(m, "list", m.popToMark()), // APPENDS
  0x73: (m) => fill(m, "dict", popItems(m, 2)), // SETITEM
  0x75: (m) => fill(m, "dict", pairs(m.popToMark())), // SETITEMS
  0x90: (m) => fill(m, "set", m.popToMark()), // ADDITEMS
};

const STACK_AND_MEMO: Readonly<Record<number, Handler>> = {
  0x80: (m) => checkProtocol(m.bytes[m.take(1)] ?? 0), // PROTO
  0x95: (m) => void m.takeLength8(), // FRAME
  0x30: (m) => void m.pop(), // POP
  0x31: (m) => void m.popToMark(), // POP_MARK
  0x32: (m) => duplicate(m), // DUP
  0x70: (m) => m.remember(memoIndex(m.takeLine())), // PUT
  0x71: (m) => m.remember(m.bytes[m.take(1)] ?? 0), // BINPUT
  0x72: (m) => m.remember(m.bytes.readUInt32LE(m.take(4))), // LONG_BINPUT
  0x94: (m) => m.remember(m.memo.length), // MEMOIZE
  0x67: (m) => m.recall(memoIndex(m.takeLine())), // GET
  0x68: (m) => m.recall(m.bytes[m.take(1)] ?? 0), // BINGET
  0x6a: (m) => m.recall(m.bytes.readUInt32LE(m.take(4))), // LONG_BINGET
};

const OBJECTS: Readonly<Record<number, Handler>> = {
  0x63: (m) => pushGlobal(m, m.takeLine(), m.takeLine()), // GLOBAL
  0x93: (m) => stackGlobal(m), // STACK_GLOBAL
  0x52: (m) => reduce(m), // REDUCE
  0x81: (m) => makeObject(m), // NEWOBJ
  0x62: (m) => build(m), // BUILD
  0x50: refused("a persistent id"), // PERSID
  0x51: refused("a persistent id"), // BINPERSID
  0x69: refused("an old-style instance"), // INST
  0x6f: refused("an old-style instance"), // OBJ
  0x82: refused("the extension registry"), // EXT1
  0x83: refused("the extension registry"), // EXT2
  0x84: refused("the extension registry"), // EXT4
  0x92: refused("a new object with named arguments"), // NEWOBJ_EX
  0x97: refused("an out-of-band buffer"), // NEXT_BUFFER
  0x98: refused("an out-of-band buffer"), // READONLY_BUFFER
};

/** What each opcode does, by its byte. STOP is not here: it ends the run. Semantics: CPython's `Lib/pickletools.py`. */
export const OPCODES: readonly (Handler | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => NUMBERS[code] ?? STRINGS[code] ?? CONTAINERS[code] ?? STACK_AND_MEMO[code] ?? OBJECTS[code],
);

function refused(what: string): Handler {
  return () => {
    throw new Refusal(`refused: ${what}`);
  };
}

function checkProtocol(version: number): void {
  if (version > 5) throw new Refusal(`pickle protocol ${version} is unknown`);
}

function intLine(line: string): number | bigint | boolean {
  if (line === "00") return false;
  return line === "01" ? true : decimalInt(line);
}

function decimalInt(digits: string): number | bigint {
  if (digits.length > MAX_INTEGER_DIGITS || !/^[+-]?\d+$/.test(digits))
    throw new Refusal("an integer is too long or no integer");
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(digits);
}

function littleEndianInt(machine: PickleMachine, length: number): number | bigint {
  if (length < 0 || length > MAX_INTEGER_BYTES) throw new Refusal("an integer is too long");
  const bytes = machine.takeSlice(length);
  if (length === 0) return 0;
  if (length <= 6) return bytes.readIntLE(0, length);
  const magnitude = BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`);
  const value = BigInt.asIntN(length * 8, magnitude);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function floatLine(line: string): number {
  if (/^[+-]?nan$/.test(line)) return Number.NaN;
  if (/^[+-]?inf$/.test(line)) return line.startsWith("-") ? -Infinity : Infinity;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(line)) throw new Refusal("a float is not written as one");
  return Number(line);
}

function memoIndex(line: string): number {
  if (!/^\d{1,9}$/.test(line)) throw new Refusal("the pickle's memo index is out of range");
  return Number(line);
}

function rawUnicodeEscape(line: string): string {
  if (!line.includes("\\")) return line;
  return line.replace(/\\u([\da-fA-F]{4})|\\U([\da-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? "", 16);
    if (code > 0x10ffff) throw new Refusal("a string is not valid Unicode");
    return String.fromCodePoint(code);
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The bytes of a Python 2 string literal, as its `repr` writes it. */
function quotedBytes(line: string): Buffer {
  const quote = line[0];
  if (line.length < 2 || (quote !== "'" && quote !== '"') || !line.endsWith(quote))
    throw new Refusal("a string is not quoted");
  const text = line.slice(1, -1).replace(/\\(?:x([\da-fA-F]{2})|([^x]))/g, (all, hex?: string, single?: string) => {
    return hex === undefined ? (ESCAPES[single ?? ""] ?? all) : String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(text, "latin1");
}

/** Python 2's str is bytes that are nearly always text. What is not UTF-8 stays bytes. */
function pythonTwoString(bytes: Buffer): Item {
  const text = bytes.toString("utf8");
  return text.includes("\uFFFD") ? { kind: "bytes", bytes } : text;
}

function pairs(items: Item[]): Item[] {
  if (items.length % 2 !== 0) throw new Refusal("a dict has a key without a value");
  return items;
}

function popItems(machine: PickleMachine, count: 1 | 2 | 3): Item[] {
  const last = machine.pop();
  if (count === 1) return [last];
  return [...popItems(machine, count === 3 ? 2 : 1), last];
}

function fill(machine: PickleMachine, kind: "list" | "dict" | "set", items: readonly Item[]): void {
  const target = machine.top();
  if (!isKind(target, kind)) throw new Refusal(`the pickle fills something that is no ${kind}`);
  const filling = target.items as Item[]; // made by this machine, and readonly only once the pickle has ended
  for (const item of items) filling.push(item);
}

function duplicate(machine: PickleMachine): void {
  machine.mustCheck = true;
  machine.push(machine.top());
}

function pushGlobal(machine: PickleMachine, module: string, name: string): void {
  machine.mustCheck = true;
  machine.push(findGlobal(module, name));
}

function stackGlobal(machine: PickleMachine): void {
  const name = machine.pop();
  const module = machine.pop();
  if (typeof name !== "string" || typeof module !== "string") throw new Refusal("a global has no name");
  pushGlobal(machine, module, name);
}

function reduce(machine: PickleMachine): void {
  const args = machine.pop();
  if (isKind(args, "tuple")) machine.charge(args.items);
  const value = construct(machine.pop(), args);
  if (isKind(value, "uuid")) machine.unbuilt++;
  machine.push(value);
}

function makeObject(machine: PickleMachine): void {
  machine.pop();
  const value = newObject(machine.pop());
  if (isKind(value, "uuid")) machine.unbuilt++;
  machine.push(value);
}

function build(machine: PickleMachine): void {
  const state = machine.pop();
  machine.charge([state]);
  const built = applyState(machine.top(), state);
  if (built !== undefined) machine.unbuilt--;
}
