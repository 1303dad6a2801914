import { z } from "zod";
import type { Instant } from "../../ports/control.ts";

const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)$/;

/** Reads a time as the API writes it (ISO 8601 with an offset, up to microseconds); undefined for anything else. */
export function parseInstant(text: string): Instant | undefined {
  const [, seconds, fraction = "", offset] = ISO.exec(text) ?? [];
  if (seconds === undefined || offset === undefined) return undefined;
  const time = Date.parse(`${seconds}${offset}`);
  if (Number.isNaN(time)) return undefined;
  return `${new Date(time).toISOString().slice(0, 19)}.${fraction.padEnd(6, "0")}Z`;
}

/** A time in an answer. */
export const instant = z.string().transform((text, context): Instant => {
  const parsed = parseInstant(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "is no time with an offset" });
  return z.NEVER;
});

/** A time in an answer, or null. */
export const maybeInstant = instant.nullable();
