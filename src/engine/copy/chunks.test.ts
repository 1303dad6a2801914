import { expect, test } from "vitest";
import { chunkPredicate } from "./chunks.ts";

const chunk = { entity: "log", name: "000001" };

test("a chunk is a range of blocks, and the last one is open", () => {
  expect(chunkPredicate({ ...chunk, from: 5, to: 9 })).toBe("s.ctid >= '(5,0)'::tid and s.ctid < '(9,0)'::tid");
  expect(chunkPredicate({ ...chunk, from: 9 })).toBe("s.ctid >= '(9,0)'::tid");
  expect(chunkPredicate({ ...chunk, from: 0 })).toBeUndefined();
});

test("a server without TID range scans gets lists of addresses, and the last chunk is what no list has", () => {
  const whole = { ...chunk, from: 0, rowsPerBlock: 40 };

  expect(chunkPredicate({ ...whole, from: 5, to: 9 })).toMatch(
    /^s\.ctid = any \(\(select .*generate_series\(1, 40\).*generate_series\(5, 8\) b\)::tid\[\]\)$/,
  );
  expect(chunkPredicate({ ...whole, from: 9 })).toBe("(s.ctid >= '(9,0)'::tid or (s.ctid::text::point)[1] > 40)");
  expect(chunkPredicate(whole)).toBeUndefined();
});
