import { describe, expect, test } from "vitest";
import { Secret } from "../../domain/secret.ts";
import { codecs, decryptToken, encryptToken, parseFernetKeys } from "./index.ts";

const OLD = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const NEW = "3wUBa5gP83LGuu4LpIV1TsA_5jHNEqUSQwPwHjKEUAE=";
const sourceKeys = parseFernetKeys(new Secret(OLD));
const targetKeys = parseFernetKeys(new Secret(`${NEW},${OLD}`));

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

test("every codec is filed under its own id", () => {
  for (const [id, codec] of Object.entries(codecs)) expect(codec.id).toBe(id);
});

describe("xcom-2-to-json", () => {
  const convert = codecs["xcom-2-to-json"].open();
  const shown = (value: Buffer): unknown => ({ ...convert(value), value: convert(value).value?.toString() });

  test.for([
    ['{"a": [1, 1.0]}', '{"a": [1, 1.0]}'],
    ["\x80\x04}\x94\x8c\x01aK\x01s.", '{"a":1}'],
    ["(dp0\nVa\nI1\ns.", '{"a":1}'],
    ["I01\n.", "true"],
    ["null", "null"],
  ] as const)("turns %j into %s", ([value, json]) => {
    expect(shown(bytes(value))).toEqual({ value: json });
  });

  test("gives types that JSON lacks the marks of Airflow's decoder", () => {
    const moment = "\x80\x04\x8c\x08datetime\x8c\x08datetime\x93C\x0a\x07\xe8\x01\x01\0\0\0\0\0\0\x85R\x85.";

    expect(shown(bytes(moment))).toEqual({
      value:
        '{"__classname__":"builtins.tuple","__version__":1,"__data__":[{"__classname__":"datetime.datetime","__version__":2,' +
        '"__data__":{"timestamp":1704067200.0,"tz":null}}]}',
      changes: [{ kind: "naive-as-utc", count: 1 }],
    });
  });

  test("counts a key by which Airflow would take a dict for a marked object", () => {
    expect(convert(bytes("(dV__classname__\nVx\ns.")).changes).toEqual([{ kind: "reserved-key", count: 1 }]);
  });

  test("keeps what it cannot decode, labelled, with the reason", () => {
    const evil = bytes("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.");
    const outcome = convert(evil);

    expect(outcome.problem).toEqual({ kind: "undecodable", reason: "refused: os.system" });
    expect(JSON.parse(String(outcome.value))).toEqual({
      __crosswind__: "undecodable",
      reason: "refused: os.system",
      encoding: "base64",
      data: evil.toString("base64"),
    });
  });

  test("says of text that is neither that it is not JSON", () => {
    expect(convert(bytes("hello")).problem).toEqual({ kind: "undecodable", reason: "not JSON at character 0" });
    expect(convert(bytes("")).problem?.kind).toBe("undecodable");
  });
});

describe("conf codecs", () => {
  const read = codecs["conf-pickle-to-json"].open();

  test.for(["\x80\x05}\x94.", "\x80\x04}.", "\x80\x02}q\0.", "(dp0\n.", "\x80\x04N.", "\x80\x04\x8c\x02{}."])(
    "the empty conf %j becomes NULL",
    (value) => {
      expect(read(bytes(value))).toEqual({ value: null });
    },
  );

  test("a dict becomes JSON, with text for what JSON lacks", () => {
    const outcome = read(bytes("\x80\x04}\x8c\x01d\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xe8\x01\x02\x85Rs."));

    expect({ ...outcome, value: String(outcome.value) }).toEqual({
      value: '{"d":"2024-01-02"}',
      changes: [{ kind: "type-as-text", count: 1 }],
    });
  });

  test("a pickled JSON object is taken as the object, any other text as text", () => {
    expect(String(read(bytes('\x80\x04\x8c\x07{"a":1}.')).value)).toBe('{"a":1}');
    expect(String(read(bytes("\x80\x04\x8c\x02{x.")).value)).toBe('"{x"');
  });

  test("JSON goes back as a pickle of the protocol that was asked for", () => {
    const value =
      codecs["conf-json-to-pickle"].open({ pickleProtocol: 5 })(Buffer.from('{"n": 1}')).value ?? Buffer.alloc(0);

    expect(value.subarray(0, 2)).toEqual(Buffer.from([0x80, 5]));
    expect(String(read(value).value)).toBe('{"n":1}');
    expect(codecs["conf-json-to-pickle"].open({})(Buffer.from(" null")).value).toBeNull();
  });
});

describe("secret", () => {
  const reencrypt = codecs.secret.open({ sourceKeys, targetKeys });

  test("is decrypted with the source's key and encrypted with the target's first", () => {
    const token = encryptToken(sourceKeys, bytes("pass"));
    const value = reencrypt(bytes(`e${token}`)).value ?? Buffer.alloc(0);

    expect(decryptToken(targetKeys, value)).toEqual({ plain: bytes("pass"), keyIndex: 0 });
  });

  test("is left byte for byte when the target's first key opens it", () => {
    const token = encryptToken(targetKeys, bytes("pass"));

    expect(String(reencrypt(bytes(`e${token}`)).value)).toBe(token);
  });

  test("in plain text is encrypted", () => {
    expect(decryptToken(targetKeys, reencrypt(bytes("ppass")).value ?? "")?.plain).toEqual(bytes("pass"));
  });

  test("that no key opens gives a problem without its content", () => {
    const token = encryptToken(parseFernetKeys(new Secret(NEW)), bytes("pass"));
    const outcome = codecs.secret.open({ sourceKeys, targetKeys: sourceKeys })(bytes(`e${token}`));

    expect(outcome).toEqual({
      value: null,
      problem: { kind: "secret-unreadable", reason: "none of the 1 source keys decrypts it" },
    });
    expect(reencrypt(bytes("xcanary")).problem?.reason).not.toContain("canary");
    expect(codecs.secret.open({ sourceKeys })(bytes("pcanary"))).toMatchObject({
      value: null,
      problem: { kind: "secret-unreadable" },
    });
  });

  test("has the same digest however it is encrypted, and another one under another key", () => {
    const of = (value: string, digestKey: string): string =>
      String(codecs["secret-digest"].open({ sourceKeys: targetKeys, digestKey: bytes(digestKey) })(bytes(value)).value);
    const [one, two] = [encryptToken(sourceKeys, bytes("pass")), encryptToken(targetKeys, bytes("pass"))];

    expect(of(`e${one}`, "k")).toMatch(/^[\da-f]{64}$/);
    expect(of(`e${two}`, "k")).toBe(of(`e${one}`, "k"));
    expect(of("ppass", "k")).toBe(of(`e${one}`, "k"));
    expect(of("ppass", "other")).not.toBe(of("ppass", "k"));
    expect(of("ppas", "k")).not.toBe(of("ppass", "k"));
  });
});
