import { parseCron } from "../../airflow/timetables/cron-expression.ts";
import { formatMicros } from "../../airflow/timetables/micros.ts";
import { type Reading, readSchedule, type Schedule } from "../../airflow/timetables/read-schedule.ts";
import { isJson, readZone, underSwitches } from "../../airflow/timetables/read-timetable.ts";
import type { Micros, Timetable, Zone } from "../../airflow/timetables/timetable.ts";
import type { Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import { readSerializedDags } from "./read-serialized.ts";
import { poolsOf } from "./read-wave-facts.ts";

/** What a DAG's file says, as a side parsed it. */
export interface DagInCode {
  readonly schedule: Schedule;
  readonly zone: Zone;
  readonly pools: readonly string[];
}

interface CodeWanted {
  /** The release that stands for the database's schema. */
  readonly schema: Release;
  readonly reading: Reading;
  readonly dagIds: readonly string[];
}

/** The DAGs that the side has serialised, by id. */
export async function readDagsInCode(session: Session, wanted: CodeWanted): Promise<ReadonlyMap<string, DagInCode>> {
  const found = new Map<string, DagInCode>();
  for await (const { dagId, data } of readSerializedDags(session, wanted.schema, wanted.dagIds)) {
    const schedule = readSchedule(data, wanted.reading);
    const dag = isJson(data) && isJson(data["dag"]) ? data["dag"] : {};
    if (schedule !== undefined) found.set(dagId, { schedule, zone: readZone(dag["timezone"]), pools: poolsOf(data) });
  }
  return found;
}

const INTERVALS = { cronDataIntervals: true, deltaDataIntervals: true };

/**
 * A schedule as a text that is equal where both sides run at the same times: whatever the interval switches make of it, and however a cron is
 * written. The zone is told apart.
 */
export function sameSchedule(timetable: Timetable): string {
  const plain = underSwitches(timetable, INTERVALS);
  if (plain.kind === "assets-or-time") return `${plain.kind} ${sameSchedule(plain.time)}`;
  const { zone: _, ...parts } = { zone: null, ...plain };
  const cron = "expression" in plain ? parseCron(plain.expression) : undefined;
  return JSON.stringify(cron?.ok === true ? { ...parts, expression: cron.fields } : parts);
}

/** A schedule for people. */
export function describeSchedule(timetable: Timetable): string {
  switch (timetable.kind) {
    case "cron-interval":
    case "cron-trigger":
      return `cron ${timetable.expression}`;
    case "cron-triggers":
      return `crons ${timetable.expressions.join(", ")}`;
    case "delta-interval":
    case "delta-trigger": {
      const { months, days, elapsed } = timetable.delta;
      return `every ${months} months ${days} days ${elapsed / 1_000_000} s`.replaceAll(/ 0 \w+/g, "");
    }
    case "assets-or-time":
      return `assets or ${describeSchedule(timetable.time)}`;
    case "custom":
      return timetable.className;
    case "once":
    case "continuous":
    case "manual":
    case "assets":
    case "events":
      break;
  }
  return timetable.kind;
}

/** A date for people. */
export function describeDate(at: Micros | null): string {
  return at === null ? "none" : formatMicros(at);
}
