import { Refusal } from "./changes.ts";
import { float, int, itemsOf, optionalInt, rawBytes, text } from "./pickle-arguments.ts";
import { date, dateTime, delta, deltaSeconds, fixedZone, namedZone, time, zoneWithOffset } from "./pickle-dates.ts";
import { type Internal, type Item, isKind } from "./pickle-machine.ts";

/** Builds the value a known constructor would give for these arguments. Nothing is ever imported or called by name. */
type Constructor = (args: readonly Item[]) => Item;

/**
 * The classes and functions a pickle may name, and what becomes of them. Everything else is refused.
 * Forms seen in pickles of Python 2.7 to 3.12, pendulum 1.4, 2.1 and 3.x, pytz, and dill's name for builtin types.
 */
const CONSTRUCTORS: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ["datetime.datetime", (args) => dateTime(args, false)],
  ["pendulum.datetime.DateTime", (args) => dateTime(args, true)],
  ["pendulum.DateTime", (args) => dateTime(args, true)],
  ["pendulum.pendulum.Pendulum", (args) => dateTime(args, true)],
  ["datetime.date", (args) => date(args, false)],
  ["pendulum.date.Date", (args) => date(args, true)],
  ["datetime.time", (args) => time(args)],
  ["pendulum.time.Time", (args) => time(args)],
  ["datetime.timedelta", (args) => delta(args, false)],
  ["pendulum.duration.Duration", (args) => delta(args, true)],
  ["datetime.timezone", ([offset]) => fixedZone(deltaSeconds(offset), "datetime.timezone")],
  ["pendulum.tz.timezone.FixedTimezone", ([offset]) => fixedZone(int(offset), "pendulum.tz.timezone.FixedTimezone")],
  ["pendulum.tz.timezone.Timezone", ([name]) => namedZone(name, "pendulum.tz.timezone.Timezone")],
  ["pendulum.tz.timezone.Timezone._unpickle", ([name]) => namedZone(name, "pendulum.tz.timezone.Timezone")],
  ["zoneinfo.ZoneInfo", ([name]) => namedZone(name, "zoneinfo.ZoneInfo")],
  ["zoneinfo.ZoneInfo._unpickle", ([name]) => namedZone(name, "zoneinfo.ZoneInfo")],
  ["pendulum.tz.timezone._UTC", () => fixedZone(0, "pendulum.tz.timezone.FixedTimezone")],
  ["pendulum.tz.timezone_info.TimezoneInfo", ([zone, offset]) => zoneWithOffset(zone, offset)],
  ["pytz._UTC", () => fixedZone(0, "datetime.timezone")],
  ["pytz._p", ([name, offset]) => ({ ...namedZone(name, "zoneinfo.ZoneInfo"), offsetSeconds: optionalInt(offset) })],
  ["dateutil.tz.tz.tzutc", () => fixedZone(0, "datetime.timezone")],
  ["decimal.Decimal", ([value]) => ({ kind: "decimal", text: decimalText(text(value)) })],
  ["builtins.complex", ([real, imaginary]) => ({ kind: "complex", real: float(real), imaginary: float(imaginary) })],
  ["collections.OrderedDict", ([pairs]) => dictOf(pairs)],
  ["collections.defaultdict", () => ({ kind: "dict", items: [] })],
  ["collections.Counter", ([counts]) => dictOf(counts)],
  ["builtins.dict", ([pairs]) => dictOf(pairs)],
  ["builtins.list", ([items]) => ({ kind: "list", items: [...itemsOf(items)] })],
  ["builtins.tuple", ([items]) => ({ kind: "tuple", items: [...itemsOf(items)] })],
  ["builtins.set", ([items]) => ({ kind: "set", items: [...itemsOf(items)] })],
  ["builtins.frozenset", ([items]) => ({ kind: "frozenset", items: [...itemsOf(items)] })],
  ["builtins.bytes", ([value]) => ({ kind: "bytes", bytes: value === undefined ? Buffer.alloc(0) : rawBytes(value) })],
  ["builtins.bytearray", (args) => bytearray(args)],
  ["_codecs.encode", (args) => encode(args)],
  ["dill._dill._load_type", ([name]) => findGlobal("builtins", text(name))],
  ["builtins.getattr", (args) => classMethod(args)],
  ["copyreg._reconstructor", ([name]) => newObject(name)],
  ["datetime.tzinfo", () => ({ kind: "opaque", name: "datetime.tzinfo" })],
  ...[
    "airflow.utils.state.TaskInstanceState",
    "airflow.utils.state.DagRunState",
    "airflow.utils.state.TerminalTIState",
    "airflow.utils.state.IntermediateTIState",
    "airflow.utils.types.DagRunType",
    "airflow.utils.trigger_rule.TriggerRule",
  ].map((name): [string, Constructor] => [name, ([value]) => text(value)]),
]);

/** Classes that are only ever an argument: the default of a defaultdict, the base of a reconstructed object. */
const ARGUMENTS: ReadonlySet<string> = new Set(["builtins.object", "builtins.int", "builtins.str", "builtins.float"]);

/** Parts of a pendulum 1 or 2 time zone. Its name says everything, so they are read over. */
const OPAQUE: ReadonlySet<string> = new Set([
  "pendulum.tz.transition.Transition",
  "pendulum.tz.zoneinfo.transition.Transition",
  "pendulum.tz.zoneinfo.transition_type.TransitionType",
  "pendulum.tz.zoneinfo.posix_timezone.PosixTimezone",
  "pendulum.tz.zoneinfo.posix_timezone.JPosixTransition",
  "pendulum.tz.zoneinfo.posix_timezone.MPosixTransition",
  "pendulum.tz.zoneinfo.posix_timezone.NPosixTransition",
]);

/** Python 2's names, which Python 3 still writes below protocol 3, and the back-port of zoneinfo. */
const MODULE_ALIASES: ReadonlyMap<string, string> = new Map([
  ["__builtin__", "builtins"],
  ["copy_reg", "copyreg"],
  ["backports.zoneinfo", "zoneinfo"],
]);

/** Finds a permitted class or function, and refuses every other one by name. */
export function findGlobal(module: string, name: string): Internal {
  const full = `${MODULE_ALIASES.get(module) ?? module}.${name}`;
  if (CONSTRUCTORS.has(full) || ARGUMENTS.has(full) || OPAQUE.has(full)) return { kind: "global", name: full };
  if (full === "uuid.UUID") return { kind: "global", name: full };
  throw new Refusal(`refused: ${printable(full)}`);
}

function printable(name: string): string {
  return name.slice(0, 200).replace(/[^\x20-\x7e]/g, "?");
}

/** What REDUCE gives: the value that the permitted callable would make of the arguments. */
export function construct(callable: Item, args: Item): Item {
  if (!isKind(callable, "global")) throw new Refusal("refused: a call of something that is no class");
  if (!isKind(args, "tuple")) throw new Refusal("the pickle calls with arguments that are no tuple");
  const constructor = CONSTRUCTORS.get(callable.name);
  if (constructor === undefined) throw new Refusal(`refused: a call of ${callable.name}`);
  return constructor(args.items);
}

/** What NEWOBJ and `copyreg._reconstructor` give: an object whose state comes with BUILD. */
export function newObject(callable: Item | undefined): Item {
  if (!isKind(callable, "global")) throw new Refusal("refused: a new object of something that is no class");
  if (callable.name === "uuid.UUID") return { kind: "uuid", text: "" };
  if (OPAQUE.has(callable.name)) return { kind: "opaque", name: callable.name };
  if (callable.name === "dateutil.tz.tz.tzutc") return fixedZone(0, "datetime.timezone");
  throw new Refusal(`refused: a new object of ${callable.name}`);
}

function classMethod([owner, name]: readonly Item[]): Internal {
  const method = isKind(owner, "global") && typeof name === "string" ? `${owner.name}.${name}` : "";
  if (!CONSTRUCTORS.has(method)) throw new Refusal(`refused: builtins.getattr ${printable(method)}`.trimEnd());
  return { kind: "global", name: method };
}

function dictOf(item: Item | undefined): Item {
  if (isKind(item, "dict")) return { kind: "dict", items: [...item.items] };
  const items = itemsOf(item).flatMap((pair) => {
    const entry = itemsOf(pair);
    if (entry.length !== 2) throw new Refusal("a dict was given something else than pairs");
    return entry;
  });
  return { kind: "dict", items };
}

function encode([value, encoding]: readonly Item[]): Item {
  if (!/^latin-?1$/.test(text(encoding))) throw new Refusal("refused: _codecs.encode to another encoding than latin1");
  const characters = text(value);
  if (/[^\0-\xff]/.test(characters)) throw new Refusal("bytes were given as text that is not latin1");
  return { kind: "bytes", bytes: Buffer.from(characters, "latin1") };
}

function bytearray(args: readonly Item[]): Item {
  const [value] = args;
  if (value === undefined) return { kind: "bytes", bytes: Buffer.alloc(0) };
  return args.length === 2 ? encode(args) : { kind: "bytes", bytes: rawBytes(value) };
}

function decimalText(value: string): string {
  if (value.length <= 10_000 && /^-?(?:\d+(?:\.\d*)?(?:E[+-]?\d+)?|Infinity|s?NaN\d*)$/i.test(value)) return value;
  throw new Refusal("a Decimal is not written as one");
}

/** What BUILD does: gives an object its state. Only for objects whose state is known. */
export function applyState(target: Item, state: Item): Item | undefined {
  // A time zone was already made complete by its constructor, and a reader of opaque state has no use for it.
  if (isKind(target, "zone") || isKind(target, "opaque")) return undefined;
  if (!isKind(target, "uuid") || !isKind(state, "dict")) throw new Refusal("refused: state of an unknown object");
  const index = state.items.findIndex((item, at) => at % 2 === 0 && item === "int");
  (target as { text: string }).text = uuidText(state.items[index + 1] ?? null); // the only writer of a UUID being read
  return target;
}

function uuidText(value: Item): string {
  const number = typeof value === "number" || typeof value === "bigint" ? BigInt(value) : -1n;
  if (number < 0n || number >= 1n << 128n) throw new Refusal("a UUID is out of range");
  const hex = number.toString(16).padStart(32, "0");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
