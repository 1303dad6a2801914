// node:crypto rather than the npm package "fernet" (0.4.0): that one runs on crypto-js 3.1, unmaintained, slow, and compares MACs in variable time.
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Secret } from "../../domain/secret.ts";
import { fernetKeyInvalid } from "./problems.ts";

const VERSION = 0x80;
const HEADER_BYTES = 1 + 8 + 16;
const BLOCK_BYTES = 16;
const MAC_BYTES = 32;
const KEY_FORM = /^[A-Za-z0-9_+/-]{43}=$/;
const TOKEN_FORM = /^[A-Za-z0-9_-]+={0,2}$/;

interface FernetKey {
  readonly signing: Buffer;
  readonly encryption: Buffer;
}

/** A parsed key list. Opaque: its keys are reachable by the functions of this file only and print as nothing. */
export class FernetKeys {
  readonly #keys: readonly FernetKey[];

  constructor(keys: readonly FernetKey[]) {
    this.#keys = keys;
  }

  get count(): number {
    return this.#keys.length;
  }

  /** The keys themselves, for {@link decryptToken} and {@link encryptToken}. */
  reveal(): readonly FernetKey[] {
    return this.#keys;
  }

  toJSON(): string {
    return `${this.#keys.length} Fernet keys`;
  }
}

/**
 * Reads Airflow's `[core] fernet_key`: one key or several separated by commas. The first encrypts, all are tried for decryption
 * (the rule of `MultiFernet`, which Airflow uses).
 *
 * @throws FERNET_KEY_INVALID for an empty list or a key that is not 32 bytes of base64
 */
export function parseFernetKeys(keys: Secret): FernetKeys {
  const parts = keys.reveal().split(",");
  return new FernetKeys(parts.map((part, index) => parseKey(part.trim(), index + 1, parts.length)));
}

function parseKey(text: string, position: number, count: number): FernetKey {
  if (text === "") throw fernetKeyInvalid({ position, count, reason: "it is empty" });
  if (!KEY_FORM.test(text))
    throw fernetKeyInvalid({ position, count, reason: "it is not 32 bytes of URL-safe base64" });
  const bytes = Buffer.from(text, "base64url");
  return { signing: bytes.subarray(0, 16), encryption: bytes.subarray(16, 32) };
}

/** A decrypted token, and which key of the list opened it (0 is the first). */
export interface OpenedToken {
  readonly plain: Buffer;
  readonly keyIndex: number;
}

/**
 * Decrypts a token with the first key that fits, or gives undefined when it is no token or no key fits.
 * The age of a token is not checked, as Airflow does not check it. Format: github.com/fernet/spec.
 */
export function decryptToken(keys: FernetKeys, token: Buffer | string): OpenedToken | undefined {
  const bytes = decodeToken(token);
  if (bytes === undefined) return undefined;
  const signed = bytes.subarray(0, -MAC_BYTES);
  const mac = bytes.subarray(-MAC_BYTES);
  for (const [keyIndex, key] of keys.reveal().entries()) {
    if (!timingSafeEqual(hmac(key, signed), mac)) continue;
    const plain = decipher(key, signed);
    if (plain !== undefined) return { plain, keyIndex };
  }
  return undefined;
}

function decodeToken(token: Buffer | string): Buffer | undefined {
  const text = typeof token === "string" ? token : token.toString("latin1");
  if (text.length % 4 !== 0 || !TOKEN_FORM.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  const cipherBytes = bytes.length - HEADER_BYTES - MAC_BYTES;
  const isWhole = cipherBytes >= BLOCK_BYTES && cipherBytes % BLOCK_BYTES === 0;
  return isWhole && bytes[0] === VERSION ? bytes : undefined;
}

function decipher(key: FernetKey, signed: Buffer): Buffer | undefined {
  const cipher = createDecipheriv("aes-128-cbc", key.encryption, signed.subarray(9, HEADER_BYTES));
  try {
    return Buffer.concat([cipher.update(signed.subarray(HEADER_BYTES)), cipher.final()]);
  } catch {
    return undefined; // the padding is wrong, although the MAC fits: not made by a Fernet
  }
}

/** What an encryption may be given instead of the present time and a fresh random vector: for the specification's examples. */
export interface EncryptOptions {
  readonly now?: Date;
  readonly iv?: Buffer;
}

/** Encrypts with the first key of the list. */
export function encryptToken(keys: FernetKeys, plain: Buffer, options: EncryptOptions = {}): string {
  const [key] = keys.reveal();
  if (key === undefined) throw fernetKeyInvalid({ position: 1, count: 0, reason: "it is missing" });
  const iv = options.iv ?? randomBytes(16);
  const header = Buffer.alloc(9);
  header[0] = VERSION;
  header.writeBigUInt64BE(BigInt(Math.floor((options.now ?? new Date()).getTime() / 1000)), 1);
  const cipher = createCipheriv("aes-128-cbc", key.encryption, iv);
  const signed = Buffer.concat([header, iv, cipher.update(plain), cipher.final()]);
  // "base64url" leaves the padding out, which Python's Fernet insists on.
  const text = Buffer.concat([signed, hmac(key, signed)]).toString("base64");
  return text.replaceAll("+", "-").replaceAll("/", "_");
}

function hmac(key: FernetKey, signed: Buffer): Buffer {
  return createHmac("sha256", key.signing).update(signed).digest();
}
