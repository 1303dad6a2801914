import { type ChangeTally, Refusal } from "./changes.ts";

/**
 * Digits of the longest integer that Python converts from or to text (`sys.int_info.default_max_str_digits`).
 * A longer one could not be read by the target's `json.loads`.
 */
export const MAX_INTEGER_DIGITS = 4300;

/** Deepest nesting that is converted. Python's own JSON and pickle writers stop at about 1000 levels. */
export const MAX_DEPTH = 1000;

/** Python's `repr` of a float, which is also what its `json.dumps` writes: `1.0`, `1e+16`, `1e-05`. Finite values only. */
export function floatText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  if (!Number.isInteger(value)) return String(value);
  return Object.is(value, -0) ? "-0.0" : `${value}.0`;
}

/** The text Airflow 3.3.2 writes for a float that JSON cannot hold (migration 0055). */
export function nonFiniteText(value: number): "NaN" | "Infinity" | "-Infinity" {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
}

/** A JSON string literal that jsonb accepts: U+0000 and lone surrogates stay visible as their six characters, and are counted. */
export function jsonString(text: string, tally: ChangeTally): string {
  if (text.isWellFormed() && !text.includes("\0")) return JSON.stringify(text);
  let nuls = 0;
  let surrogates = 0;
  const shown = text.replace(/\0|\p{Surrogate}/gu, (character) => {
    if (character === "\0") nuls++;
    else surrogates++;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  if (nuls > 0) tally.add("nul-shown", nuls);
  if (surrogates > 0) tally.add("surrogate-shown", surrogates);
  return JSON.stringify(shown);
}

/** Decodes UTF-8 in which lone surrogates are allowed (Python's "surrogatepass", the form of strings in pickles). */
export function decodeSurrogatePass(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\uFFFD")) return text;
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at + 2 < bytes.length; at++) {
    if (bytes[at] !== 0xed || (bytes[at + 1] ?? 0) < 0xa0) continue;
    pieces.push(decodeStrict(bytes.subarray(from, at)));
    pieces.push(String.fromCharCode(0xd000 | (((bytes[at + 1] ?? 0) & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f)));
    from = at + 3;
    at += 2;
  }
  pieces.push(decodeStrict(bytes.subarray(from)));
  return pieces.join("");
}

function decodeStrict(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal("a string is not valid UTF-8");
  }
}

/** The reverse of {@link decodeSurrogatePass}. */
export function encodeSurrogatePass(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  const pieces = text.split(/(\p{Surrogate})/u).map((piece) => {
    const code = piece.charCodeAt(0);
    const isLone = piece.length === 1 && code >= 0xd800 && code <= 0xdfff;
    return isLone ? Buffer.from([0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]) : Buffer.from(piece, "utf8");
  });
  return Buffer.concat(pieces);
}
