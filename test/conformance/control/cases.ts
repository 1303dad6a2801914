import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { isInRange } from "../../../src/domain/release.ts";
import type { Control, ControlAbilities, DagState, RunReading } from "../../../src/ports/control.ts";
import { waitFor } from "../../airflow/support/processes.ts";
import type { ControlledAirflow } from "./environment.ts";

/** What every door to every release does the same. Cases of one list run one after another, in its order. */
interface Case {
  readonly name: string;
  /** Runs where the door has the ability; where it has not, the call is refused instead. */
  readonly needs?: keyof ControlAbilities;
  readonly run: (context: CaseContext) => Promise<void>;
}

export interface CaseContext {
  readonly control: Control;
  readonly airflow: ControlledAirflow;
}

const signal = (): AbortSignal => AbortSignal.timeout(60_000);

async function dagOf(control: Control, dagId: string): Promise<DagState> {
  const [dag] = await control.readDags(signal(), [dagId]);
  if (dag === undefined) throw new Error(`${dagId} is not there`);
  return dag;
}

/** Asks until `probe` gives something; says what the environment's processes said when it never does. */
async function eventually<T>({ airflow }: CaseContext, probe: () => Promise<T | undefined>): Promise<T> {
  return await waitFor(probe, { timeoutMs: 120_000, everyMs: 500, describe: airflow.tails });
}

const IDS = ["ctl_daily", "ctl_delta", "ctl_long", "ctl_manual", "ctl_minutely"];

/** The DAGs of `control_dags.py` that a release has. */
function idsOf({ release }: ControlledAirflow): readonly string[] {
  return isInRange(release, ">=2.4") ? [...IDS, "ctl_producer", "ctl_waiting"] : IDS;
}

/** Waits until all DAGs are parsed, the broken file has been seen, and a scheduler has been heard of. */
export async function ready(context: CaseContext): Promise<void> {
  const { control, airflow } = context;
  await eventually(context, async () => {
    const dags = await control.readDags(signal());
    const errors = await control.readImportErrors(signal());
    const { schedulerHeartbeatAt } = await control.readHealth(signal());
    const isParsed = idsOf(airflow).every((id) => dags.some((dag) => dag.dagId === id && dag.isActive));
    return isParsed && errors.length > 0 && schedulerHeartbeatAt !== null ? true : undefined;
  });
}

async function clockOf(control: Control): Promise<{ readonly at: number; readonly resolutionMs: number }> {
  const { clock } = await control.readHealth(signal());
  return { at: Date.parse(clock.at), resolutionMs: clock.resolutionMs };
}

const byDate = (run: RunReading): string => run.logicalDate ?? "";

export const cases: readonly Case[] = [
  {
    name: "reads all DAGs by id, none of them missing",
    run: async ({ control, airflow }) => {
      const dags = await control.readDags(signal());

      expect(dags.map(({ dagId }) => dagId)).toEqual(idsOf(airflow));
      expect(dags.every(({ isActive, hasImportErrors }) => isActive && !hasImportErrors)).toBe(true);
      expect(dags.every(({ file }) => file.endsWith("control_dags.py"))).toBe(true);
    },
  },
  {
    name: "reads given DAGs, and leaves out what is not there",
    run: async ({ control }) => {
      const dags = await control.readDags(signal(), ["ctl_manual", "no_such_dag", "ctl_daily"]);

      expect(dags.map(({ dagId }) => dagId)).toEqual(["ctl_daily", "ctl_manual"]);
    },
  },
  {
    name: "reads what a DAG is and limits, as far as its release keeps it",
    run: async ({ control }) => {
      const daily = await dagOf(control, "ctl_daily");

      expect(daily).toMatchObject({ isPaused: true, schedule: "0 6 * * *", owners: ["team_a"] });
      expect(daily.tags.toSorted()).toEqual(["control", "daily"]);
      expect([3, null]).toContain(daily.maxActiveRuns);
      expect([7, null]).toContain(daily.maxActiveTasks);
      expect((await dagOf(control, "ctl_delta")).schedule).toBe("1 day, 2:00:00");
    },
  },
  {
    name: "reads what stands in a DAG's code",
    run: async ({ control }) => {
      const settings = await control.readDagSettings("ctl_daily", signal());

      expect(settings).toMatchObject({
        dagId: "ctl_daily",
        timezone: control.can.readTimezone ? "Europe/Berlin" : null,
        catchup: false,
        startDate: "2024-12-31T23:00:00.000000Z",
        endDate: control.can.readAllSettings ? "2035-01-01T00:00:00.000000Z" : null,
        isPausedUponCreation: control.can.readAllSettings ? true : null,
      });
      expect((await control.readDagSettings("ctl_delta", signal())).catchup).toBe(true);
    },
  },
  {
    name: "says that a DAG is not there",
    run: async ({ control }) => {
      await expect(control.readDagSettings("no_such_dag", signal())).rejects.toThrow(/^CONTROL_NOT_FOUND/);
      await expect(control.setPaused("no_such_dag", true, signal())).rejects.toThrow(/^CONTROL_NOT_FOUND/);
    },
  },
  {
    name: "reads the next run of a DAG that never ran: its first interval",
    needs: "readNextRun",
    run: async ({ control }) => {
      const { nextRun, lastParsedAt } = await dagOf(control, "ctl_delta");

      expect(lastParsedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect(nextRun?.createAfter).toMatch(/^2025-01-0[12]/);
      expect(nextRun?.logicalDate).toMatch(/^2025-01-0[12]/);
      expect((await dagOf(control, "ctl_manual")).nextRun).toBeNull();
    },
  },
  {
    name: "unpauses and pauses, twice as well as once, and gives what was read back",
    run: async ({ control }) => {
      for (const isPaused of [false, false, true, true]) {
        expect(await control.setPaused("ctl_manual", isPaused, signal())).toBe(isPaused);
        expect((await dagOf(control, "ctl_manual")).isPaused).toBe(isPaused);
      }
    },
  },
  {
    name: "sees the runs that the scheduler creates after an unpause, in both orders, since a date and up to a number",
    run: async (context) => {
      const { control, airflow } = context;
      const wanted = { dagId: "ctl_minutely", states: ["success"] };
      await control.setPaused("ctl_minutely", false, signal());
      await eventually(context, async () => {
        const runs = await control.readRuns(wanted, signal());
        return runs.length >= 3 ? true : undefined;
      });
      await control.setPaused("ctl_minutely", true, signal());
      // A run that was open at the pause may still end.
      await eventually(context, async () => {
        const before = await control.readRuns(wanted, signal());
        await sleep(3000);
        return (await control.readRuns(wanted, signal())).length === before.length ? true : undefined;
      });

      const newest = await control.readRuns(wanted, signal());
      const oldest = await control.readRuns({ ...wanted, order: "oldest-first", limit: 1 }, signal());

      expect(newest.map(byDate)).toEqual(newest.map(byDate).toSorted().toReversed());
      expect(oldest).toEqual([newest.at(-1)]);
      expect(oldest[0]).toMatchObject({ runType: "scheduled", logicalDate: `${airflow.minutelyStart}:00.000000Z` });
      expect(oldest[0]?.startedAt).not.toBeNull();
      const since = newest[1]?.logicalDate ?? "";
      expect(await control.readRuns({ ...wanted, since }, signal())).toEqual(newest.slice(0, 2));
      expect(await control.readRuns({ ...wanted, since, order: "oldest-first", limit: 1 }, signal())).toEqual([
        newest[1],
      ]);
    },
  },
  {
    name: "sees a running task, the half-done run that a pause leaves, and ends that as failed",
    run: async (context) => {
      const { control, airflow } = context;
      const dagId = "ctl_long";
      await control.setPaused(dagId, false, signal());
      await airflow.trigger(dagId);
      const run = await eventually(context, async () => {
        const [open] = await control.readRuns({ dagId, states: ["running"], limit: 1 }, signal());
        if (open === undefined) return undefined;
        const tasks = await control.readTasks({ dagId, runId: open.runId, states: ["running"] }, signal());
        return tasks.length > 0 ? open : undefined;
      });
      const { runId } = run;
      expect(run.runType).toBe("manual");
      const active = await control.readTasks({ dagId, runId, states: ["queued", "running"] }, signal());
      expect(active).toMatchObject([{ taskId: "sleep", mapIndex: -1, state: "running" }]);
      expect((await control.readTasks({ dagId, runId }, signal())).map(({ taskId }) => taskId).toSorted()).toEqual([
        "done",
        "sleep",
      ]);

      await control.setPaused(dagId, true, signal());
      const isDrained = async () =>
        (await control.readTasks({ dagId, runId, states: ["queued", "running"] }, signal())).length === 0;
      await eventually(context, async () => ((await isDrained()) ? true : undefined));
      const open = await control.readRuns({ dagId, states: ["running"] }, signal());
      expect(open.map((each) => each.runId)).toEqual([runId]);

      expect(await control.closeRun(dagId, runId, signal())).toBe("failed");
      expect(await control.closeRun(dagId, runId, signal())).toBe("failed");
      await sleep(2000);
      expect(await control.readRuns({ dagId, states: ["queued", "running"] }, signal())).toEqual([]);
      await expect(control.closeRun(dagId, "no such run", signal())).rejects.toThrow(/^CONTROL_NOT_FOUND/);
    },
  },
  {
    name: "reads the error of the file that can not be imported",
    run: async ({ control }) => {
      const errors = await control.readImportErrors(signal());

      expect(errors).toHaveLength(1);
      expect(errors[0]?.file).toMatch(/broken\.py$/);
      expect(errors[0]?.text).toContain("broken on purpose");
    },
  },
  {
    name: "reads a fresh heartbeat and the environment's clock",
    run: async ({ control }) => {
      const before = Date.now();
      const { at, resolutionMs } = await clockOf(control);
      const after = Date.now();
      const { schedulerHeartbeatAt } = await control.readHealth(signal());

      expect(at).toBeGreaterThanOrEqual(before - resolutionMs - 1000);
      expect(at).toBeLessThanOrEqual(after);
      expect(Date.parse(schedulerHeartbeatAt ?? "")).toBeGreaterThan(before - 60_000);
    },
  },
  {
    name: "has a file parsed when it is asked for, also twice at once",
    needs: "requestParse",
    run: async (context) => {
      const { control } = context;
      const before = (await dagOf(control, "ctl_daily")).lastParsedAt ?? "";

      await Promise.all([control.requestParse("ctl_daily", signal()), control.requestParse("ctl_delta", signal())]);

      const since = Date.now();
      await eventually(context, async () =>
        ((await dagOf(control, "ctl_daily")).lastParsedAt ?? "") > before ? true : undefined,
      );
      expect(Date.now() - since).toBeLessThan(30_000);
    },
  },
  {
    name: "says that it can not request a parse where there is no way",
    run: async ({ control }) => {
      if (control.can.requestParse) return;
      await expect(control.requestParse("ctl_daily", signal())).rejects.toThrow(/^CONTROL_LACKS_ABILITY/);
    },
  },
  {
    name: "reads no backfill where none is active",
    run: async ({ control }) => {
      expect(await control.readActiveBackfills("ctl_delta", signal())).toEqual([]);
    },
  },
  {
    name: "reads no pending event where none is",
    needs: "readPendingEvents",
    run: async ({ control }) => {
      expect(await control.readPendingEvents("ctl_daily", signal())).toEqual([]);
    },
  },
  {
    name: "reads the event that a DAG waiting for two datasets has seen",
    needs: "readPendingEvents",
    run: async (context) => {
      const { control, airflow } = context;
      // A paused DAG's events are not kept.
      for (const dagId of ["ctl_waiting", "ctl_producer"]) await control.setPaused(dagId, false, signal());
      await airflow.trigger("ctl_producer");

      const events = await eventually(context, async () => {
        const seen = await control.readPendingEvents("ctl_waiting", signal());
        return seen.length > 0 ? seen : undefined;
      });

      for (const dagId of ["ctl_waiting", "ctl_producer"]) await control.setPaused(dagId, true, signal());
      expect(events).toMatchObject([{ uri: "s3://control/one" }]);
      expect(Date.parse(events[0]?.createdAt ?? "")).toBeGreaterThan(Date.now() - 120_000);
    },
  },
  {
    name: "writes the next run",
    needs: "writeNextRun",
    run: async ({ control }) => {
      const nextRun = {
        logicalDate: "2025-03-01T00:00:00.000000Z",
        intervalStart: "2025-03-01T00:00:00.000000Z",
        intervalEnd: "2025-03-02T02:00:00.000000Z",
        createAfter: "2025-03-02T02:00:00.000000Z",
      };

      await control.writeNextRun("ctl_delta", nextRun, signal());

      expect((await dagOf(control, "ctl_delta")).nextRun).toEqual(nextRun);
    },
  },
  {
    name: "adds a missed run once, and the scheduler does it",
    needs: "addRun",
    run: async (context) => {
      const { control } = context;
      // Each door of an environment adds its own.
      const day = control.can.addRun === "scheduled" ? 10 : 12;
      const [intervalStart, intervalEnd] = [`2025-06-${day}T04:00:00.000000Z`, `2025-06-${day + 1}T04:00:00.000000Z`];
      const missed = { dagId: "ctl_daily", logicalDate: intervalStart, intervalStart, intervalEnd };

      await control.addRun(missed, signal());

      const backfills = await control.readActiveBackfills("ctl_daily", signal());
      expect(backfills.some(({ from }) => from === intervalStart)).toBe(control.can.addRun === "backfill");
      await expect(control.addRun(missed, signal())).rejects.toThrow(/^CONTROL_REFUSED/);
      await control.setPaused("ctl_daily", false, signal());
      const run = await eventually(context, async () => {
        const runs = await control.readRuns(
          { dagId: "ctl_daily", states: ["success"], order: "oldest-first" },
          signal(),
        );
        return runs.find(({ logicalDate }) => logicalDate === missed.logicalDate);
      });
      await control.setPaused("ctl_daily", true, signal());
      expect(run.runType).toBe(control.can.addRun);
      const tasks = await control.readTasks({ dagId: "ctl_daily", runId: run.runId }, signal());
      expect(tasks).toMatchObject([{ taskId: "done", state: "success" }]);
    },
  },
  {
    name: "leaves end dates that the environment's drain policy follows, and takes them away again",
    needs: "requestParse",
    run: async (context) => {
      const { control } = context;
      const endDate = async () => {
        await control.requestParse("ctl_delta", signal());
        return (await control.readDagSettings("ctl_delta", signal())).endDate;
      };
      const endDates = { ctl_delta: "2025-02-01T00:00:00.000000Z", ctl_other: "2025-02-01T00:00:00.123456Z" };
      await control.writeEndDates({ ctl_delta: "2025-03-01T00:00:00.000000Z" }, signal());

      await control.writeEndDates(endDates, signal());

      await eventually(context, async () => ((await endDate()) === endDates.ctl_delta ? true : undefined));
      await control.writeEndDates({}, signal());
      await control.writeEndDates({}, signal());
      await eventually(context, async () => ((await endDate()) === null ? true : undefined));
    },
  },
  {
    name: "does nothing under a signal that was aborted",
    run: async ({ control }) => {
      const reason = new Error("stopped by the user");

      await expect(control.setPaused("ctl_manual", false, AbortSignal.abort(reason))).rejects.toBe(reason);

      await sleep(200);
      expect((await dagOf(control, "ctl_manual")).isPaused).toBe(true);
    },
  },
];
