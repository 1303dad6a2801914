import { createHmac } from "node:crypto";
import { Refusal } from "./changes.ts";
import type { CodecContext, CodecOutcome } from "./codec.ts";
import { decryptToken, encryptToken } from "./fernet.ts";
import { scanJson } from "./json-scanner.ts";

const TOKEN_TAG = 0x65; // e
const PLAIN_TAG = 0x70; // p

type Opened = { readonly plain: Buffer } | { readonly problem: { readonly kind: string; readonly reason: string } };

function openSecret(value: Buffer, { sourceKeys }: CodecContext): Opened {
  const content = value.subarray(1);
  if (value[0] === PLAIN_TAG) return { plain: content };
  if (value[0] !== TOKEN_TAG) return unreadable("the value is not marked as token or plain text");
  if (sourceKeys === undefined) return unreadable("it is encrypted, and no source key was given");
  const opened = decryptToken(sourceKeys, content);
  if (opened !== undefined) return opened;
  return unreadable(`none of the ${sourceKeys.count} source keys decrypts it`);
}

function unreadable(reason: string): Opened {
  return { problem: { kind: "secret-unreadable", reason } };
}

/**
 * Re-encrypts a secret for the target. A token that the target's first key already opens is returned byte for byte, so that a copy
 * between environments with the same key changes nothing.
 */
export function reencrypt(value: Buffer, context: CodecContext): CodecOutcome {
  const { targetKeys } = context;
  if (targetKeys === undefined) {
    return {
      value: null,
      problem: { kind: "secret-unreadable", reason: "no target key was given to encrypt it with" },
    };
  }
  const content = value.subarray(1);
  if (value[0] === TOKEN_TAG && decryptToken(targetKeys, content)?.keyIndex === 0) return { value: content };
  const opened = openSecret(value, context);
  if ("problem" in opened) return { value: null, problem: opened.problem };
  return { value: Buffer.from(encryptToken(targetKeys, opened.plain), "latin1") };
}

/** HMAC-SHA256 of the plain text as hexadecimal digits, to compare secrets of both sides without holding them. */
export function digest(value: Buffer, context: CodecContext): CodecOutcome {
  if (context.digestKey === undefined) throw new TypeError("the codec secret-digest needs a digestKey");
  const opened = openSecret(value, context);
  if ("problem" in opened) return { value: null, problem: opened.problem };
  const hex = createHmac("sha256", context.digestKey).update(opened.plain).digest("hex");
  return { value: Buffer.from(hex, "latin1") };
}

const NOWHERE = { begin: () => {}, end: () => {}, string: () => {}, number: () => {}, word: () => {} };

function isJsonObject(text: string): boolean {
  try {
    scanJson(text, NOWHERE);
    return text.trimStart().startsWith("{");
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** Looks whether the plain text is empty or what `json.loads` makes a dict of. One that no key opens is not judged. */
export function jsonObject(value: Buffer, context: CodecContext): CodecOutcome {
  const opened = openSecret(value, context);
  if ("problem" in opened || opened.plain.length === 0 || isJsonObject(opened.plain.toString("utf8")))
    return { value: null };
  return { value: null, problem: { kind: "no-json-object", reason: "neither empty nor a JSON object" } };
}
