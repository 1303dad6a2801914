import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pickleToJson } from "./pickle-json.ts";
import { jsonToPickle, type PickleProtocol } from "./pickle-writer.ts";

function pickled(json: string, protocol: PickleProtocol = 4): Buffer {
  const result = jsonToPickle(Buffer.from(json), protocol);
  if (!result.ok) throw new Error(result.reason);
  return result.bytes;
}

describe("a pickle made of JSON", () => {
  test("is for {} the very bytes that Airflow's migration looks for", () => {
    expect(pickled("{}", 5).toString("hex")).toBe("80057d942e");
    expect(pickled(" { } ").toString("hex")).toBe("80047d942e");
  });

  test.for([
    "0",
    "255",
    "256",
    "-1",
    "2147483647",
    "-2147483648",
    "2147483648",
    "-2147483649",
    "127",
    "128",
    "32768",
    "9007199254740993",
    `-${"8".repeat(4000)}`,
    "18446744073709551615",
    "-9223372036854775808",
    "-128",
  ])("keeps every digit of %s", (digits) => {
    expect(pickleToJson(pickled(`[${digits}]`), { flavour: "plain" })).toMatchObject({ ok: true, json: `[${digits}]` });
  });

  test("keeps floats floats", () => {
    expect(pickleToJson(pickled("[1.0,1E2,-0.0,5e-324,0.1]"), { flavour: "plain" })).toMatchObject({
      ok: true,
      json: "[1.0,100.0,-0.0,5e-324,0.1]",
    });
  });

  test("is read back as the same JSON", () => {
    fc.assert(
      fc.property(fc.json({ depthSize: "medium" }), fc.constantFrom(4 as const, 5 as const), (json, protocol) => {
        const result = pickleToJson(pickled(json, protocol), { flavour: "plain" });
        const expected = JSON.stringify(JSON.parse(json)).replaceAll("\\u0000", "\\\\u0000");
        expect(result.ok && JSON.parse(result.json)).toEqual(JSON.parse(expected));
      }),
      { numRuns: 2000 },
    );
  });

  test("is refused for text that is not JSON", () => {
    expect(jsonToPickle(Buffer.from("{'a': 1}"))).toMatchObject({ ok: false });
  });
});
