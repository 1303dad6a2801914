import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import oldPendulumPickles from "../../../test/fixtures/old-pendulum-pickles.json" with { type: "json" };
import { pickleToJson } from "./pickle-json.ts";
import { readPickle } from "./pickle-reader.ts";
import { jsonToPickle } from "./pickle-writer.ts";

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function reasonOf(bytes: Buffer): string {
  const result = readPickle(bytes);
  return result.ok ? "accepted" : result.reason;
}

// Pickles of 2020-07-02 01:02:03.000004 by pendulum 1.4.4 and 2.1.2, which run on no Python that Airflow still supports.
const OLD_PENDULUM: Readonly<Record<string, string>> = oldPendulumPickles;
const WHOLE = Buffer.from(OLD_PENDULUM["pendulum 2.1.2 protocol 4 UTC"] ?? "", "base64");

describe("reading a pickle", () => {
  test("keeps int and float, list and tuple, text and bytes apart", () => {
    const result = readPickle(latin1("\x80\x04(K\x01G\x3f\xf0\0\0\0\0\0\0](K\x01e)\x8c\x01aC\x01at."));

    expect(result).toEqual({
      ok: true,
      value: {
        kind: "tuple",
        items: [
          1,
          { kind: "float", value: 1 },
          { kind: "list", items: [1] },
          { kind: "tuple", items: [] },
          "a",
          { kind: "bytes", bytes: Buffer.from("a") },
        ],
      },
    });
  });

  test("reads byte strings of Python 2 as text, and as bytes where they are none", () => {
    expect(readPickle(latin1("\x80\x02]q\x01(U\x03\xc3\xa9!U\x01\xffS'it\\'s\\x41\\n'\ne."))).toEqual({
      ok: true,
      value: { kind: "list", items: ["é!", { kind: "bytes", bytes: Buffer.from([0xff]) }, "it'sA\n"] },
    });
  });

  test.for(Object.entries(OLD_PENDULUM))("reads a datetime of %s", ([name, base64]) => {
    const offset = name.endsWith("UTC") ? "+00:00" : (/\+01:00$/.exec(name)?.[0] ?? "+09:00");

    const result = pickleToJson(Buffer.from(base64, "base64"), { flavour: "plain" });

    expect(result).toMatchObject({ ok: true, json: `"2020-07-02T01:02:03.000004${offset}"` });
  });

  test("keeps a key named __proto__ an ordinary key", () => {
    const pickled = jsonToPickle(Buffer.from('{"__proto__":{"polluted":true}}'));
    const result = pickled.ok ? pickleToJson(pickled.bytes, { flavour: "plain" }) : pickled;

    expect(result).toMatchObject({ ok: true, json: '{"__proto__":{"polluted":true}}' });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe("a hostile pickle", () => {
  test.for([
    ["protocol 0", "cos\nsystem\n(S'id'\ntR."],
    ["protocol 1", "cos\nsystem\nq\x00(U\x02idtR."],
    ["protocol 2", "\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R."],
    ["protocol 3", "\x80\x03cos\nsystem\nX\x02\0\0\0id\x85R."],
    ["protocol 4", "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."],
    ["protocol 5", "\x80\x05\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."],
  ] as const)("that calls os.system in %s is refused by name", ([, text]) => {
    expect(reasonOf(latin1(text))).toBe("refused: os.system");
  });

  test.for([
    ["eval", "c__builtin__\neval\n(V1\ntR.", "refused: builtins.eval"],
    [
      "an attribute of a known class",
      "c__builtin__\ngetattr\n(cdatetime\ndatetime\nVmro\ntR.",
      "refused: builtins.getattr datetime.datetime.mro",
    ],
    ["a call of a value", "])R.", "refused: a call of something that is no class"],
    ["a known class as a value", "cdatetime\ndatetime\n.", "refused: datetime.datetime as a value"],
    ["a known class inside of a list", "(lcdatetime\ndatetime\na.", "refused: datetime.datetime as a value"],
    [
      "a new object of a class with code",
      "\x80\x02cdatetime\ndatetime\n)\x81.",
      "refused: a new object of datetime.datetime",
    ],
    ["state for a list", "]}b.", "refused: state of an unknown object"],
    ["a persistent id", "P0\n.", "refused: a persistent id"],
    ["a binary persistent id", "NQ.", "refused: a persistent id"],
    ["the extension registry", "\x80\x02\x82\x01.", "refused: the extension registry"],
    ["an old-style instance", "(ios\nsystem\n.", "refused: an old-style instance"],
    ["an out-of-band buffer", "\x80\x05\x97.", "refused: an out-of-band buffer"],
    ["a name with control characters", "c\x1b[31mx\ny\n.", "refused: ?[31mx.y"],
    ["a UUID without its number", "\x80\x02cuuid\nUUID\n)\x81.", "an object was left without its state"],
    ["a future protocol", "\x80\x06N.", "pickle protocol 6 is unknown"],
    ["bytes after the end", "N.N.", "there are bytes after the end of the pickle"],
    ["two values", "NN.", "the pickle leaves more than one value"],
    ["a pop from nothing", "0.", "the pickle takes more than it put"],
    ["a pop below a mark", "N(0.", "the pickle takes more than it put"],
    ["a missing mark", "t.", "the pickle has no mark where one is needed"],
    ["a memo entry that is not there", "h\x05.", "the pickle asks for a memo entry that it never made"],
    [
      "a date that is none",
      "\x80\x04\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xe4\x02\x1e\x85R.",
      "a date or time is out of range",
    ],
    [
      "a time zone whose name jsonb could not hold",
      "czoneinfo\nZoneInfo\n(Va\0\ntR.",
      "a time zone has an impossible name",
    ],
    ["nothing at all", "", "the pickle is cut short"],
  ] as const)("with %s is refused with its reason", ([, text, reason]) => {
    expect(reasonOf(latin1(text))).toBe(reason);
  });

  test.for([
    ["text", "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"],
    ["32-bit text", "X\xff\xff\xff\xffa."],
    ["bytes", "\x80\x04\x8e\0\0\0\0\0\x01\0\0."],
    ["a bytearray", "\x80\x05\x96\0\0\0\0\0\x01\0\0."],
    ["a frame", "\x80\x04\x95\0\0\0\0\xff\0\0\0N."],
    ["a long", "\x80\x02\x8b\xff\xff\xff\x7f\0."],
    ["a negative long", "\x80\x02\x8b\xff\xff\xff\xff\0."],
    ["a memo index", "Nr\xff\xff\xff\xff."],
    ["a line", "I123"],
    ["decimal digits", `L${"9".repeat(5000)}L\n.`],
  ] as const)("that announces a huge length of %s is refused at once", ([, text]) => {
    expect(readPickle(latin1(text)).ok).toBe(false);
  });

  test("that contains itself is refused", () => {
    expect(reasonOf(latin1("]q\0h\0a."))).toBe("the value contains itself");
    expect(reasonOf(latin1("}q\0Vself\nh\0s."))).toBe("the value contains itself");
    expect(reasonOf(latin1("]q\0(h\0ta."))).toBe("the value contains itself");
  });

  test("that is nested too deeply is refused, also when its depth comes from shared parts", () => {
    const deep = latin1(`${"]".repeat(5000)}${"a".repeat(4999)}.`);
    const wrap = (levels: number): string => "\x85".repeat(levels);
    const shared = latin1(`(N${wrap(900)}q\0h\0${wrap(900)}t.`);

    expect(reasonOf(deep)).toBe("the value is nested deeper than 1000 levels");
    expect(reasonOf(shared)).toBe("the value is nested deeper than 1000 levels");
  });

  test("of a few bytes that means billions of values is refused instead of written", () => {
    const laughs = latin1(
      `\x80\x02]${Array.from({ length: 60 }, (_, n) => `q${String.fromCharCode(n)}0](h${String.fromCharCode(n)}h${String.fromCharCode(n)}e`).join("")}.`,
    );
    const keys = latin1(
      `\x80\x02}(N${Array.from({ length: 60 }, (_, n) => `q${String.fromCharCode(n)}h${String.fromCharCode(n)}\x86`).join("")}Nu.`,
    );

    expect(readPickle(laughs).ok).toBe(true);
    expect(pickleToJson(laughs, { flavour: "xcom" })).toEqual({
      ok: false,
      reason: "the value would be too large as JSON",
    });
    expect(pickleToJson(keys, { flavour: "xcom" })).toEqual({ ok: false, reason: "a key would be too long as text" });
  });

  test("that passes one large argument again and again is refused", () => {
    const text = "a".repeat(100_000);
    const again = "h\x01h\x02h\x03\x86R0".repeat(1000);
    const bytes = latin1(`c_codecs\nencode\nq\x010V${text}\nq\x020Vlatin1\nq\x030${again}N.`);

    expect(reasonOf(bytes)).toBe("the pickle uses the same parts too often");
  });

  test("is never accepted when it is cut short, and never throws", () => {
    const all = Object.values(OLD_PENDULUM).map((base64) => Buffer.from(base64, "base64"));

    for (const whole of all) {
      for (let length = 0; length < whole.length; length++)
        expect(readPickle(whole.subarray(0, length)).ok).toBe(false);
    }
  });

  test("of random or damaged bytes never throws", () => {
    const damaged = fc
      .array(fc.tuple(fc.nat(WHOLE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((edits) => {
        const copy = Buffer.from(WHOLE);
        for (const [at, byte] of edits) copy[at] = byte;
        return copy;
      });
    const opcodes = fc.array(
      fc.constantFrom(..."()]}lt.0123NaesuRbq\0h\0K\x01\x85\x86\x87\x88\x8f\x90\x91\x94".split("")),
      {
        maxLength: 60,
      },
    );
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
      damaged,
      opcodes.map((all) => latin1(`${all.join("")}.`)),
    );

    fc.assert(
      fc.property(input, fc.constantFrom("xcom" as const, "plain" as const), (bytes, flavour) => {
        const result = pickleToJson(bytes, { flavour });
        if (result.ok) JSON.parse(result.json);
        return typeof result.ok === "boolean";
      }),
      { numRuns: 20_000 },
    );
  });
});
