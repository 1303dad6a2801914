import { Refusal } from "./changes.ts";
import { MAX_DEPTH, MAX_INTEGER_DIGITS } from "./python-text.ts";

/** Receives the parts of a JSON text in order. Offsets are into the scanned text; `to` is exclusive. */
export interface JsonSink {
  begin(isObject: boolean): void;
  end(isObject: boolean): void;
  /** A string literal with its quotes. `isPlain` is true without any backslash; `isKey` for the name of a member. */
  string(from: number, to: number, about: { readonly isPlain: boolean; readonly isKey: boolean }): void;
  number(from: number, to: number, isFloat: boolean): void;
  /** `true`, `false`, `null`, and Python's `NaN`, `Infinity`, `-Infinity`. */
  word(from: number, to: number): void;
}

const WORDS: readonly string[] = ["true", "false", "null", "NaN", "Infinity", "-Infinity"];

/**
 * Walks through a JSON text as Python's `json.loads` reads it, that is with NaN and the infinities, keeping every digit.
 *
 * @throws Refusal for text that is not JSON, nesting beyond 1000 levels, and numbers of more than 4300 characters
 */
export function scanJson(text: string, sink: JsonSink): void {
  const scanner = new Scanner(text, sink);
  scanner.run();
}

class Scanner {
  readonly #text: string;
  readonly #sink: JsonSink;
  /** One entry per open container: true for an object. */
  readonly #open: boolean[] = [];
  readonly #numberForm = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
  #at = 0;

  constructor(text: string, sink: JsonSink) {
    this.#text = text;
    this.#sink = sink;
  }

  run(): void {
    do {
      if (this.#startsContainer()) continue;
      this.#scalar();
      this.#closeContainers();
    } while (this.#open.length > 0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#notJson();
  }

  /** At the start of a value: opens a container that is not empty, and stands before its first value or at its comma. */
  #startsContainer(): boolean {
    const code = this.#skipSpace();
    if (code !== 0x7b && code !== 0x5b) return false;
    const isObject = code === 0x7b;
    this.#at++;
    this.#sink.begin(isObject);
    if (this.#skipSpace() === (isObject ? 0x7d : 0x5d)) {
      this.#at++;
      this.#sink.end(isObject);
      this.#closeContainers();
      return true;
    }
    if (this.#open.length >= MAX_DEPTH) throw new Refusal(`the value is nested deeper than ${MAX_DEPTH} levels`);
    this.#open.push(isObject);
    if (isObject) this.#key();
    return true;
  }

  /** After a value: eats closing brackets, then a comma and the key after it. */
  #closeContainers(): void {
    while (this.#open.length > 0) {
      const isObject = this.#open.at(-1) === true;
      const code = this.#skipSpace();
      this.#at++;
      if (code === 0x2c) {
        if (isObject) this.#key();
        return;
      }
      if (code !== (isObject ? 0x7d : 0x5d)) throw this.#notJson();
      this.#open.pop();
      this.#sink.end(isObject);
    }
  }

  #key(): void {
    if (this.#skipSpace() !== 0x22) throw this.#notJson();
    this.#string(true);
    if (this.#skipSpace() !== 0x3a) throw this.#notJson();
    this.#at++;
  }

  #scalar(): void {
    const code = this.#text.charCodeAt(this.#at);
    if (code === 0x22) return this.#string(false);
    const isNumber = (code >= 0x30 && code <= 0x39) || (code === 0x2d && this.#text[this.#at + 1] !== "I");
    return isNumber ? this.#number() : this.#word();
  }

  #string(isKey: boolean): void {
    const from = this.#at;
    let isPlain = true;
    let at = from + 1;
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (code === 0x22) break;
      if (!(code >= 0x20)) throw this.#notJson(); // also NaN, at the end of the text
      if (code === 0x5c) {
        isPlain = false;
        at = this.#escapeEnd(at);
      } else at++;
    }
    this.#at = at + 1;
    this.#sink.string(from, this.#at, { isPlain, isKey });
  }

  #escapeEnd(at: number): number {
    const letter = this.#text[at + 1] ?? "";
    if (letter === "u" && /^[\da-fA-F]{4}$/.test(this.#text.slice(at + 2, at + 6))) return at + 6;
    if (letter !== "" && '"\\/bfnrt'.includes(letter)) return at + 2;
    throw this.#notJson();
  }

  #number(): void {
    const from = this.#at;
    this.#numberForm.lastIndex = from;
    const match = this.#numberForm.exec(this.#text);
    if (match === null) throw this.#notJson();
    this.#at = from + match[0].length;
    if (match[0].length > MAX_INTEGER_DIGITS) throw new Refusal("a number is too long");
    this.#sink.number(from, this.#at, match[1] !== undefined || match[2] !== undefined);
  }

  #word(): void {
    const word = WORDS.find((candidate) => this.#text.startsWith(candidate, this.#at));
    if (word === undefined) throw this.#notJson();
    this.#at += word.length;
    this.#sink.word(this.#at - word.length, this.#at);
  }

  #skipSpace(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at++;
    }
  }

  #notJson(): Refusal {
    return new Refusal(`not JSON at character ${this.#at}`);
  }
}
