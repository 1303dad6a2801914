import { expect, test } from "vitest";
import type { HealthReading } from "../../ports/control.ts";
import type { GateFacts } from "./gate-facts.ts";
import { clocksAgree, isThereAWayBack, schedulersAreAlive } from "./gate-judge-environments.ts";

const AT = "2025-01-01T12:00:00.000000Z";

interface Differences {
  readonly clock?: string;
  readonly heartbeat?: string | null;
  readonly resolutionMs?: number;
}

function aHealth({ clock = AT, heartbeat = AT, resolutionMs = 0 }: Differences = {}): HealthReading {
  return { schedulerHeartbeatAt: heartbeat, clock: { at: clock, resolutionMs } };
}

function facts(source: Differences, target: Differences, apartMs = 0): GateFacts {
  const state = { isPaused: false };
  return {
    // What a judgement about both environments looks at.
    dags: [{ source: { state } }] as unknown as GateFacts["dags"],
    health: { source: aHealth(source), target: aHealth(target), apartMs },
    now: new Date(AT),
    targetPools: new Set(),
    tiesToOthers: [],
    base: { code: "SYNC_NOTHING_COPIED", what: "", safe: "", next: [], retry: "after-fix" },
    wayBack: new Set(["dag_run", "task_instance"]),
  };
}

test.for<readonly [string, Differences, number, string]>([
  ["equal clocks", {}, 0, "green"],
  ["a second", { clock: "2025-01-01T12:00:01.000000Z" }, 0, "green"],
  ["two seconds ahead", { clock: "2025-01-01T12:00:02.000000Z" }, 0, "red"],
  ["two seconds behind", { clock: "2025-01-01T11:59:58.000000Z" }, 0, "red"],
  [
    "two seconds behind, cut to whole seconds",
    { clock: "2025-01-01T11:59:58.000000Z", resolutionMs: 1000 },
    0,
    "green",
  ],
  ["two seconds, read in one and a half", { clock: "2025-01-01T12:00:02.000000Z" }, 1500, "green"],
])("clocks with %s are told from others", ([, target, apartMs, state]) => {
  expect(clocksAgree(facts({}, target, apartMs)).state).toBe(state);
});

test.for<readonly [string, Differences, Differences, string]>([
  ["both were heard", {}, {}, "green"],
  ["the target was heard 31 s ago", {}, { heartbeat: "2025-01-01T11:59:29.000000Z" }, "red"],
  ["the source was heard 31 s ago", { heartbeat: "2025-01-01T11:59:29.000000Z" }, {}, "red"],
  ["the target has none", {}, { heartbeat: null }, "red"],
  [
    "the target's clock is an hour late",
    {},
    { clock: "2025-01-01T11:00:00.000000Z", heartbeat: "2025-01-01T10:59:55.000000Z" },
    "green",
  ],
])("schedulers: %s", ([, source, target, state]) => {
  expect(schedulersAreAlive(facts(source, target)).state).toBe(state);
});

test("DAGs that are paused on the source need no scheduler there", () => {
  const all = facts({ heartbeat: null }, {});
  const paused = [{ source: { state: { isPaused: true } } }] as unknown as GateFacts["dags"];

  expect(schedulersAreAlive({ ...all, dags: paused }).state).toBe("green");
});

test("without a translation back there is no way back, and it is named", () => {
  expect(isThereAWayBack(facts({}, {}))).toMatchObject({ state: "red", what: expect.stringContaining("xcom") });
});
