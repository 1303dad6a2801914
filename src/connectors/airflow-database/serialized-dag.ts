import { inflateSync } from "node:zlib";
import { z } from "zod";
import type { DagSettings, Instant } from "../../ports/control.ts";

/** More than any DAG that a scheduler could still work with. */
const LARGEST_DAG_BYTES = 256 * 1024 * 1024;

/** A row of `serialized_dag`: JSON, or JSON compressed with zlib. */
export interface SerializedRow extends Readonly<Record<string, unknown>> {
  readonly data: string | null;
  readonly packed: Buffer | null;
}

/** Seconds since 1970, bare or with their type. */
const time = z
  .union([z.number(), z.object({ __var: z.number() }).transform(({ __var }) => __var)])
  .nullish()
  .transform((seconds) => (seconds === null || seconds === undefined ? null : instantOf(seconds)));

/** A name, or the seconds of a fixed offset. Source: airflow/serialization, `encode_timezone`. */
const zone = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) => (typeof value === "number" ? offsetOf(value) : (value ?? null)));

/** What is looked at of a serialized DAG, in all its versions (1 in 1.10 and 2.x, 2 and 3 in 3.x). */
const serialized = z.object({
  dag: z.looseObject({
    timezone: zone,
    catchup: z.boolean().optional(),
    start_date: time,
    end_date: time,
    is_paused_upon_creation: z.boolean().nullish(),
    timetable: z.unknown().optional(),
    schedule_interval: z.unknown().optional(),
  }),
});

/**
 * What of a DAG is in its code, from its serialized form. `catchupDefault`: what it is where the form leaves it out.
 *
 * Throws a ZodError or SyntaxError for something that no Airflow writes.
 */
export function settingsOf(dagId: string, row: SerializedRow, catchupDefault: boolean): DagSettings {
  const text = row.data ?? unpack(row.packed);
  const { dag } = serialized.parse(JSON.parse(text));
  return {
    dagId,
    timezone: dag.timezone,
    catchup: dag.catchup ?? catchupDefault,
    startDate: dag.start_date,
    endDate: dag.end_date,
    isPausedUponCreation: dag.is_paused_upon_creation ?? null,
    timetable: dag.timetable ?? dag.schedule_interval ?? null,
  };
}

function unpack(packed: Buffer | null): string {
  return packed === null ? "null" : inflateSync(packed, { maxOutputLength: LARGEST_DAG_BYTES }).toString("utf8");
}

function instantOf(seconds: number): Instant {
  const micros = Math.round(seconds * 1e6);
  const whole = Math.floor(micros / 1e6);
  return `${new Date(whole * 1000).toISOString().slice(0, 19)}.${String(micros - whole * 1e6).padStart(6, "0")}Z`;
}

function offsetOf(seconds: number): string {
  const minutes = Math.abs(Math.trunc(seconds / 60));
  const two = (value: number) => String(value).padStart(2, "0");
  return `${seconds < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
