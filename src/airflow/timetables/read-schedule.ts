import type { Release } from "../../domain/release.ts";
import { SECOND } from "./micros.ts";
import { isJson, type Json, readClass, readPlain, readZone, unwrap } from "./read-timetable.ts";
import { effectiveSwitches, rulesOf, type Switches } from "./rules.ts";
import type { Micros, Restriction, Timetable } from "./timetable.ts";

/** The schedule of a DAG. */
export interface Schedule {
  readonly timetable: Timetable;
  readonly restriction: Restriction;
}

/** Which environment reads a serialised DAG; its scheduler works from what it reads. */
export interface Reading {
  readonly release: Release;
  /** Default: those of the release. */
  readonly switches?: Switches;
}

/**
 * The schedule of a DAG from its row in `serialized_dag`: the parsed `data` (a 3.x with `compress_serialized_dags` keeps it in `data_compressed`).
 * Undefined where it is no serialised DAG. Source: airflow.serialization.serialized_objects of 1.10.15 to 3.3.
 */
export function readSchedule(data: unknown, reading: Reading): Schedule | undefined {
  const dag = isJson(data) ? data["dag"] : undefined;
  if (!isJson(dag)) return undefined;
  const switches = effectiveSwitches(reading.release, reading.switches);
  const timetable =
    dag["timetable"] === undefined
      ? readPlain(dag["schedule_interval"], readZone(dag["timezone"]), switches)
      : readClass(dag["timetable"]);
  return { timetable, restriction: readRestriction(dag, reading.release) };
}

function readRestriction(dag: Json, release: Release): Restriction {
  const tasks = (Array.isArray(dag["tasks"]) ? dag["tasks"] : []).map(unwrap).filter(isJson);
  const [dagStart, dagEnd] = [readDate(dag["start_date"]), readDate(dag["end_date"])];
  const starts = [dagStart, ...tasks.map((task) => taskDate(task, "start_date") ?? dagStart)].filter(isThere);
  const ends = tasks.map((task) => taskDate(task, "end_date") ?? dagEnd).filter(isThere);
  const { latest } = rulesOf(release);
  // A task without end date never ends: it keeps the DAG open, where the release sees it so.
  const counted = latest === "every-task" && ends.length < tasks.length ? [] : ends;
  const lasts = [...counted, dagEnd].filter(isThere);
  return {
    earliest: starts.length === 0 ? null : Math.min(...starts),
    latest: lasts.length === 0 ? null : Math.max(...lasts),
    catchup: readCatchup(dag["catchup"], release),
  };
}

function isThere(date: Micros | null): date is Micros {
  return date !== null;
}

function readDate(value: unknown): Micros | null {
  const plain = unwrap(value);
  return typeof plain === "number" ? Math.round(plain * SECOND) : null;
}

/** Mapped tasks keep what they were declared with apart. */
function taskDate(task: Json, name: "start_date" | "end_date"): Micros | null {
  const declared = unwrap(task["partial_kwargs"]);
  return readDate(task[name]) ?? (isJson(declared) ? readDate(declared[name]) : null);
}

/** Left out where it is the release's default. */
function readCatchup(value: unknown, release: Release): boolean {
  const plain = unwrap(value);
  return typeof plain === "boolean" ? plain : rulesOf(release).catchup;
}
