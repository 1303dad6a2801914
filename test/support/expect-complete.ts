import { expect } from "vitest";
import type { Ran } from "./an-environment.ts";

/** Every problem and every blocking finding of a command is told in full: what, safe, next, under a stable code. */
export function expectComplete({ problem, plan }: Ran): void {
  const findings = plan?.findings ?? [];
  expect(problem !== undefined || plan !== undefined).toBe(true);
  if (problem !== undefined) {
    const { code, what, safe, next } = problem;
    expect({ code, what, safe, next }).toEqual({
      code: expect.stringMatching(/^[A-Z]+(_[A-Z]+)+$/),
      what: expect.stringMatching(/^\S.{10,}\.$/su),
      safe: expect.stringMatching(/^\S.{10,}/su),
      next: expect.arrayContaining([expect.stringMatching(/\S/)]),
    });
  }
  for (const { code, what, next, severity } of findings) {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)+$/);
    expect(what).toMatch(/^\S.{10,}/su);
    if (severity !== "note") expect(next.length, code).toBeGreaterThan(0);
  }
}
