import { isUtf8 } from "node:buffer";
import { ChangeTally, type JsonResult, orReason } from "./changes.ts";
import { type JsonSink, scanJson } from "./json-scanner.ts";
import { floatText, nonFiniteText } from "./python-text.ts";

/**
 * Makes JSON text that Postgres' jsonb accepts of what Python's `json.dumps` wrote: NaN and the infinities become text, escapes of
 * U+0000 and of lone surrogates stay visible as their six characters, bytes that are not UTF-8 become U+FFFD. All else, down to the
 * digits of numbers, stays as it is.
 *
 * `ok: false` for what Python's `json.loads` would not read, and for nesting or numbers beyond what it can.
 */
export function pythonJsonToStrict(text: Buffer): JsonResult {
  const tally = new ChangeTally();
  const decoded = decode(text, tally);
  return orReason<JsonResult>(() => {
    const sink = new StrictSink(decoded, tally);
    scanJson(decoded, sink);
    return { ok: true, json: sink.finish(), changes: tally.list() };
  });
}

function decode(bytes: Buffer, tally: ChangeTally): string {
  const text = bytes.toString("utf8");
  if (isUtf8(bytes)) return text;
  const before = text.split("\uFFFD").length;
  const genuine = bytes.toString("latin1").split("\xef\xbf\xbd").length;
  tally.add("invalid-utf8-replaced", before - genuine);
  return text;
}

/** Copies the text through and replaces only what jsonb refuses. */
class StrictSink implements JsonSink {
  readonly #text: string;
  readonly #tally: ChangeTally;
  #done = "";
  #copied = 0;

  constructor(text: string, tally: ChangeTally) {
    this.#text = text;
    this.#tally = tally;
  }

  finish(): string {
    return this.#copied === 0 ? this.#text : this.#done + this.#text.slice(this.#copied);
  }

  begin(): void {
    // brackets are copied as they are
  }

  end(): void {
    // brackets are copied as they are
  }

  string(from: number, to: number, about: { readonly isPlain: boolean }): void {
    if (about.isPlain) return;
    const literal = this.#text.slice(from, to);
    if (!/\\u(?:0000|[dD][89a-fA-F])/.test(literal)) return;
    const shown = showUnstorable(literal, this.#tally);
    if (shown !== literal) this.#replace(from, to, shown);
  }

  number(from: number, to: number, isFloat: boolean): void {
    if (!isFloat) return;
    const text = this.#text.slice(from, to);
    const value = Number(text);
    // Python reads a float here; Postgres' numeric has no room for an exponent of a thousand and more.
    const isStorable = Number.isFinite(value) && !/[eE][+-]?\d{4}/.test(text);
    if (!isStorable) this.#replace(from, to, jsonFloat(value, this.#tally));
  }

  word(from: number, to: number): void {
    const first = this.#text[from];
    if (first === "t" || first === "f" || first === "n") return;
    this.#tally.add("nan-as-text");
    this.#replace(from, to, `"${this.#text.slice(from, to)}"`);
  }

  #replace(from: number, to: number, replacement: string): void {
    this.#done += this.#text.slice(this.#copied, from) + replacement;
    this.#copied = to;
  }
}

const ESCAPE = /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u([\da-fA-F]{4})|\\./g;

function showUnstorable(literal: string, tally: ChangeTally): string {
  return literal.replace(ESCAPE, (escape, hex?: string) => {
    if (hex === undefined) return escape;
    if (hex === "0000") tally.add("nul-shown");
    else if (/^d[89a-f]/i.test(hex)) tally.add("surrogate-shown");
    else return escape;
    return `\\${escape.toLowerCase()}`;
  });
}

/** A number as `json.dumps` writes it, or the text that stands for a value that is no number. */
export function jsonFloat(value: number, tally: ChangeTally): string {
  if (Number.isFinite(value)) return floatText(value);
  tally.add("nan-as-text");
  return `"${nonFiniteText(value)}"`;
}

/**
 * JSON text that keeps a value nobody could decode, with the reason. It stays an ordinary value for Airflow. It is never turned back
 * into bytes by itself: an Airflow that unpickles them would run whatever somebody put into such a value.
 */
export function labelledValue(bytes: Buffer, reason: string): string {
  return JSON.stringify({ __crosswind__: "undecodable", reason, encoding: "base64", data: bytes.toString("base64") });
}
