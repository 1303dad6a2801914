import { ChangeTally, type JsonResult, orReason } from "./changes.ts";
import { readPickle } from "./pickle-reader.ts";
import type { PyValue } from "./python-value.ts";
import { type JsonFlavour, writeJson } from "./value-json.ts";
import { ZoneOffsets } from "./zone-offsets.ts";

/** How a value is written as JSON. */
export interface PickleJsonOptions {
  readonly flavour: JsonFlavour;
  /** Shared by many values, so that time zones are looked up once. */
  readonly zones?: ZoneOffsets;
}

/** What a pickle may mean beyond its own size by sharing parts: enough for real ones, and written in well under a second. */
const MIN_VALUES_LIMIT = 500_000;
const MIN_LENGTH_LIMIT = 16 * 1024 * 1024;
/** Postgres keeps no jsonb array or object of 2^28 bytes. */
const MAX_LENGTH_LIMIT = 255 * 1024 * 1024;

/**
 * Reads a pickle and writes it as JSON text that jsonb accepts, in one step. See {@link readPickle} for what is refused and
 * {@link JsonFlavour} for what becomes of types that JSON lacks. Text of more than 16 Mi characters and 8 times the pickle is refused.
 */
export function pickleToJson(bytes: Buffer, options: PickleJsonOptions): JsonResult {
  const read = readPickle(bytes);
  return read.ok ? valueToJson(read.value, bytes.length, options) : read;
}

/** The second half of {@link pickleToJson}: writes a value that was read from a pickle of that many bytes. */
export function valueToJson(value: PyValue, pickleBytes: number, options: PickleJsonOptions): JsonResult {
  const tally = new ChangeTally();
  const maxLength = Math.min(MAX_LENGTH_LIMIT, Math.max(MIN_LENGTH_LIMIT, 8 * pickleBytes));
  const maxValues = MIN_VALUES_LIMIT + 4 * pickleBytes;
  return orReason<JsonResult>(() => {
    const { flavour, zones = new ZoneOffsets() } = options;
    const json = writeJson(value, { flavour, zones, tally, maxLength, maxValues });
    return { ok: true, json, changes: tally.list() };
  });
}
