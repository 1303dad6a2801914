import { expect, test } from "vitest";
import { parseMicros } from "../../airflow/timetables/micros.ts";
import type { Micros, Timetable } from "../../airflow/timetables/timetable.ts";
import { type PreviewInput, previewDag } from "./preview.ts";

function at(text: string): Micros {
  const value = parseMicros(`2026-11-20T${text}:00Z`);
  if (value === undefined) throw new Error(text);
  return value;
}

const EVERY_TWO: Timetable = { kind: "cron-interval", expression: "*/2 * * * *", zone: "UTC" };
const RESTRICTION = { earliest: at("00:00"), latest: null, catchup: true };

/** The case that was run on 3.3.2 (cutover-semantics, section 2). */
function preview(differences: Partial<PreviewInput> = {}) {
  return previewDag({
    dagId: "every_two",
    timetable: EVERY_TWO,
    restriction: RESTRICTION,
    source: "2.10.5",
    target: "3.3.2",
    newest: { start: at("13:34"), end: at("13:36") },
    hasRunId: () => false,
    now: at("13:37"),
    ...differences,
  });
}

test("follows with data intervals, and shifts the label without", () => {
  const { predictions } = preview();

  expect(predictions.map(({ verdict, runId }) => [verdict, runId])).toEqual([
    ["follows", "scheduled__2026-11-20T13:38:00+00:00"],
    ["label-shift", "scheduled__2026-11-20T13:38:00+00:00"],
  ]);
  expect(predictions[0].next).toEqual({
    state: "due",
    run: { logicalDate: at("13:36"), interval: { start: at("13:36"), end: at("13:38") }, runAfter: at("13:38") },
  });
  expect(predictions[1].next).toMatchObject({ run: { logicalDate: at("13:38"), runAfter: at("13:38") } });
});

test.for(["2.10.5", "3.0.6", "3.1.8"])("a %s target names its run by the logical date", (target) => {
  expect(preview({ target }).predictions[0].runId).toBe("scheduled__2026-11-20T13:36:00+00:00");
});

test.for(["3.2.0", "3.3.2"])("a %s target names its run by the moment it runs after", (target) => {
  expect(preview({ target }).predictions[0].runId).toBe("scheduled__2026-11-20T13:38:00+00:00");
});

test("ids of imported runs are collisions: 3.x runs go back to a 2.x with ids as they are", () => {
  const taken = new Set(["scheduled__2026-11-20T13:36:00+00:00"]);

  const back = preview({ source: "3.3.2", target: "2.10.5", hasRunId: (id) => taken.has(id) });

  expect(back.predictions[0].verdict).toBe("id-collision");
});

test("without imported history the target starts from the start date, and takes ids of imported runs", () => {
  const { predictions } = preview({ newest: null, hasRunId: (id) => id === "scheduled__2026-11-20T00:02:00+00:00" });

  expect(predictions[0].verdict).toBe("id-collision");
});

test("without catchup, ticks that passed are skipped, listed and counted", () => {
  const late = preview({ now: at("15:01"), restriction: { ...RESTRICTION, catchup: false } });

  expect(late.predictions[0]).toMatchObject({ verdict: "skips", skippedCount: 41 });
  expect(late.predictions[0].skipped.slice(0, 2)).toEqual([at("13:38"), at("13:40")]);
});

test("nothing is due after the end date", () => {
  const { predictions } = preview({ restriction: { ...RESTRICTION, latest: at("13:35") } });

  expect(predictions.map(({ verdict }) => verdict)).toEqual(["nothing-due", "nothing-due"]);
});

test("a custom timetable is not guessed at", () => {
  const { predictions } = preview({ timetable: { kind: "custom", className: "my.Timetable" } });

  expect(predictions[0]).toMatchObject({ verdict: "not-computable", runId: null });
});

test("what the target says tells which of its switches is set", () => {
  const told = { logicalDate: at("13:38"), interval: { start: at("13:38"), end: at("13:38") }, runAfter: at("13:38") };

  expect(preview({ told }).matches).toEqual([false, true]);
  expect(preview({ told: null }).matches).toEqual([false, false]);
  expect(preview().matches).toBeNull();
});

test("a 1.10 source's next run is not computed, and its label is still known to shift", () => {
  const { onSource, predictions } = preview({ source: "1.10.15" });

  expect(onSource.state).toBe("not-computable");
  expect(predictions.map(({ verdict }) => verdict)).toEqual(["follows", "label-shift"]);
});
