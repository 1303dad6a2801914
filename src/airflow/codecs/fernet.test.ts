import { createCipheriv, createHmac } from "node:crypto";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Secret } from "../../domain/secret.ts";
import { decryptToken, encryptToken, parseFernetKeys } from "./fernet.ts";

// The example of github.com/fernet/spec (generate.json and verify.json).
const SPEC = {
  token: "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==",
  now: new Date("1985-10-26T01:20:00-07:00"),
  iv: Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
  src: "hello",
  secret: "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
};
const OTHER = "3wUBa5gP83LGuu4LpIV1TsA_5jHNEqUSQwPwHjKEUAE=";
const keys = parseFernetKeys(new Secret(SPEC.secret));

function sign(signed: Buffer): string {
  const signing = Buffer.from(SPEC.secret, "base64url").subarray(0, 16);
  const token = Buffer.concat([signed, createHmac("sha256", signing).update(signed).digest()]).toString("base64");
  return token.replaceAll("+", "-").replaceAll("/", "_");
}

describe("Fernet", () => {
  test("makes the token of the specification", () => {
    expect(encryptToken(keys, Buffer.from(SPEC.src), SPEC)).toBe(SPEC.token);
  });

  test("opens the token of the specification", () => {
    expect(decryptToken(keys, SPEC.token)).toEqual({ plain: Buffer.from(SPEC.src), keyIndex: 0 });
    expect(decryptToken(keys, Buffer.from(SPEC.token))?.plain.toString()).toBe("hello");
  });

  // The cases of the specification's invalid.json that do not concern the age of a token, each with a fitting MAC where it can have one.
  test.for([
    ["a wrong MAC", SPEC.token.replace("wqDA==", "wqDQ==")],
    ["a token that is too short", sign(Buffer.from(SPEC.token, "base64url").subarray(0, 25))],
    ["a token that is no base64", `%%%%${SPEC.token.slice(4)}`],
    ["a token without its padding", SPEC.token.slice(0, -1)],
    ["a payload that is not a multiple of the block size", sign(Buffer.from(SPEC.token, "base64url").subarray(0, 40))],
    ["a wrong vector, which breaks the padding", withOtherVector()],
    ["a wrong padding of the payload", withoutPadding()],
    [
      "another version",
      sign(Buffer.concat([Buffer.from([0x81]), Buffer.from(SPEC.token, "base64url").subarray(1, 41)])),
    ],
    ["nothing", ""],
  ] as const)("does not open %s", ([, token]) => {
    expect(decryptToken(keys, token)).toBeUndefined();
  });

  test("tries all keys and says which one fitted", () => {
    const list = parseFernetKeys(new Secret(` ${OTHER} , ${SPEC.secret}`));

    expect(decryptToken(list, SPEC.token)?.keyIndex).toBe(1);
    expect(decryptToken(list, encryptToken(list, Buffer.from("x")))?.keyIndex).toBe(0);
    expect(decryptToken(parseFernetKeys(new Secret(OTHER)), SPEC.token)).toBeUndefined();
  });

  test("gives back any bytes, and never the same token twice", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const plain = Buffer.from(bytes);
        const [one, two] = [encryptToken(keys, plain), encryptToken(keys, plain)];
        expect(decryptToken(keys, one)?.plain.equals(plain)).toBe(true);
        expect(one).not.toBe(two);
      }),
    );
  });

  test.for(["", "short", `${SPEC.secret},`, SPEC.secret.slice(0, -1), `${SPEC.secret}=`, "x".repeat(44)])(
    "refuses the key list %j without showing it",
    (list) => {
      const attempt = (): unknown => parseFernetKeys(new Secret(list));

      expect(attempt).toThrow(expect.objectContaining({ code: "FERNET_KEY_INVALID" }));
      expect(attempt).not.toThrow(new RegExp(SPEC.secret.slice(0, 20)));
    },
  );

  test("does not show keys when they are printed", () => {
    expect(inspect(keys, { showHidden: true, depth: 9 })).not.toContain("cw_0");
    expect(JSON.stringify({ keys })).toBe('{"keys":"1 Fernet keys"}');
  });
});

function withOtherVector(): string {
  const bytes = Buffer.from(SPEC.token, "base64url").subarray(0, -32);
  return sign(
    Buffer.concat([bytes.subarray(0, 9), bytes.subarray(9, 25).map((byte) => byte ^ 0x74), bytes.subarray(25)]),
  );
}

function withoutPadding(): string {
  const cipher = createCipheriv(
    "aes-128-cbc",
    Buffer.from(SPEC.secret, "base64url").subarray(16),
    SPEC.iv,
  ).setAutoPadding(false);
  const header = Buffer.from(SPEC.token, "base64url").subarray(0, 25);
  return sign(Buffer.concat([header, cipher.update(Buffer.alloc(16, 0x20)), cipher.final()]));
}
