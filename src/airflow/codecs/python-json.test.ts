import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { labelledValue, pythonJsonToStrict } from "./python-json.ts";

function strict(text: string): unknown {
  const result = pythonJsonToStrict(Buffer.from(text));
  return result.ok ? result.json : result;
}

describe("JSON text of Python", () => {
  test.for([
    '{"a": 1.0, "b": [1e+16, -0.0, 12345678901234567890123], "b": null}',
    " [ ]\n",
    '{"a":{"b":[true,false,null,"",{}]}}',
    '"\\u00e9\\ud83d\\ude00\\\\u0000\\"\\/\\b\\f\\n\\r\\t"',
    '"NaN, Infinity"',
    "-0",
  ])("%j stays as it is, to the digit", (text) => {
    expect(pythonJsonToStrict(Buffer.from(text))).toEqual({ ok: true, json: text, changes: [] });
  });

  test.for([
    ["NaN", '"NaN"', "nan-as-text", 1],
    ['{"a": [NaN, -Infinity,Infinity ]}', '{"a": ["NaN", "-Infinity","Infinity" ]}', "nan-as-text", 3],
    ["[1e12345]", '["Infinity"]', "nan-as-text", 1],
    ["[1e999]", '["Infinity"]', "nan-as-text", 1],
    ['{"a\\u0000b": "\\\\\\u0000"}', '{"a\\\\u0000b": "\\\\\\\\u0000"}', "nul-shown", 2],
    [
      '["\\ud800", "\\uDC00\\ud83d\\ude00\\ud83d"]',
      '["\\\\ud800", "\\\\udc00\\ud83d\\ude00\\\\ud83d"]',
      "surrogate-shown",
      3,
    ],
  ] as const)("%j becomes %j, counted", ([text, json, kind, count]) => {
    expect(pythonJsonToStrict(Buffer.from(text))).toEqual({ ok: true, json, changes: [{ kind, count }] });
  });

  test("with bytes that are not UTF-8 shows U+FFFD for them, and counts only those", () => {
    const bytes = Buffer.concat([Buffer.from('"\uFFFDa'), Buffer.from([0xff, 0xfe]), Buffer.from('"')]);

    expect(pythonJsonToStrict(bytes)).toEqual({
      ok: true,
      json: '"\uFFFDa\uFFFD\uFFFD"',
      changes: [{ kind: "invalid-utf8-replaced", count: 2 }],
    });
  });

  test.for([
    "",
    " ",
    "{",
    "[1,]",
    "[1 2]",
    '{"a"}',
    '{"a":}',
    "{1:2}",
    "01",
    "1.",
    ".5",
    "+1",
    "nan",
    "-NaN",
    "tru",
    '"a',
    '"\t"',
    '"\\x"',
    '"\\u12g4"',
    "1 2",
    "[}",
    "]",
    "1e",
    "\x80\x04N.",
  ])("%j is no JSON", (text) => {
    expect(strict(text)).toMatchObject({ ok: false });
  });

  test("nested too deeply, or with an integer Python would not read, is refused", () => {
    expect(strict("[".repeat(1000) + "]".repeat(1000))).toBe("[".repeat(1000) + "]".repeat(1000));
    expect(strict("[".repeat(100_000))).toEqual({ ok: false, reason: "the value is nested deeper than 1000 levels" });
    expect(strict("9".repeat(5000))).toEqual({ ok: false, reason: "a number is too long" });
  });

  test("is accepted or refused as JSON.parse does, and keeps its meaning", () => {
    const damaged = fc
      .tuple(fc.json(), fc.nat(40), fc.constantFrom("", ",", '"', "]", "{", "0", "\\", "e"))
      .map(([json, at, piece]) => json.slice(0, at) + piece + json.slice(at + 1));

    fc.assert(
      fc.property(fc.oneof(fc.json(), damaged), (text) => {
        const result = pythonJsonToStrict(Buffer.from(text));
        expect(result.ok).toBe(parses(text));
        if (result.ok && result.changes.length === 0) expect(JSON.parse(result.json)).toEqual(JSON.parse(text));
      }),
      { numRuns: 5000 },
    );
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(Buffer.from(text).toString());
    return true;
  } catch {
    return false;
  }
}

test("a labelled value holds the bytes and the reason", () => {
  const label: unknown = JSON.parse(labelledValue(Buffer.from([0x80, 0xff]), 'refused: "os".system'));

  expect(label).toEqual({
    __crosswind__: "undecodable",
    reason: 'refused: "os".system',
    encoding: "base64",
    data: "gP8=",
  });
});
