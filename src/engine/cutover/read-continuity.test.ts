import { expect, test } from "vitest";
import { parseMicros } from "../../airflow/timetables/micros.ts";
import type { Micros } from "../../airflow/timetables/timetable.ts";
import { drawTimeline, ownersOf } from "./read-continuity.ts";

function at(day: string): Micros {
  return parseMicros(`2025-01-${day}T00:00:00Z`) ?? 0;
}

const SINCE = at("01");
const event = (state: "live" | "reversed" | "restored" | "paused", day: string) => ({
  dagId: "d",
  state,
  at: `2025-01-${day}T00:00:00.000Z`,
});

test("a DAG is the source's until it is live on the target, and again when it was reversed", () => {
  const events = [event("paused", "02"), event("live", "03"), event("live", "04"), event("reversed", "05")];

  expect(ownersOf(events, SINCE)).toEqual([
    { owner: "source", from: SINCE },
    { owner: "target", from: at("03") },
    { owner: "source", from: at("05") },
  ]);
});

test("what was switched before the time looked at has its owner from the beginning", () => {
  expect(ownersOf([event("live", "02")], at("10"))).toEqual([{ owner: "target", from: at("10") }]);
});

test("a switch that was given up changes no owner", () => {
  expect(ownersOf([event("paused", "02"), event("restored", "03")], SINCE)).toHaveLength(1);
});

test("the timeline has the newest sixty ticks, and shows what is wrong in place of what ran", () => {
  const day = 86_400_000_000;
  const runs = Array.from({ length: 70 }, (_, index) => ({
    tick: SINCE + index * day,
    runs: [
      {
        side: index < 65 ? ("source" as const) : ("target" as const),
        runId: String(index),
        logicalDate: SINCE + index * day,
        interval: null,
        state: "success",
        startedAt: SINCE + index * day,
        cleared: 0,
      },
    ],
  }));
  const deviations = [{ kind: "gap" as const, tick: SINCE + 66.5 * day, runs: [], owner: "target" as const }];

  const line = drawTimeline({ runs, deviations }, [{ owner: "source", from: SINCE }]);

  expect(line).toHaveLength(60);
  expect(line.endsWith("··▪▪✗▪▪▪")).toBe(true);
});
