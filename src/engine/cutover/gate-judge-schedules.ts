import { formatMicros } from "../../airflow/timetables/micros.ts";
import type { DueRun, Micros } from "../../airflow/timetables/timetable.ts";
import type { DagInCode } from "./gate-code.ts";
import { describeDate, describeSchedule, sameSchedule } from "./gate-code.ts";
import type { GateDag, GateFacts, SideDag } from "./gate-facts.ts";
import { countDags, type Judged, judgeEach } from "./gate-judged.ts";
import { isLabelShifted, type Prediction, type Preview } from "./preview.ts";

/** A setting as a side has it: equal ones are the same, whatever people read. Undefined: the side does not tell. */
interface Setting {
  readonly title: string;
  readonly equal: (dag: SideDag) => string | undefined;
  readonly shown: (dag: SideDag) => string;
}

function plain(title: string, read: (dag: SideDag) => string | undefined): Setting {
  return { title, equal: read, shown: (dag) => read(dag) ?? "unknown" };
}

/** What a DAG's file and an environment's defaults say together. */
function hasTicks({ schedule }: DagInCode): boolean {
  return schedule.timetable.kind !== "manual" && schedule.timetable.kind !== "assets";
}

const SETTINGS: readonly Setting[] = [
  {
    title: "schedule",
    equal: ({ code }) => code && sameSchedule(code.schedule.timetable),
    shown: ({ code }) => (code === undefined ? "unknown" : describeSchedule(code.schedule.timetable)),
  },
  plain("time zone", ({ code }) => code && String(code.zone)),
  plain("start date", ({ code }) => code && describeDate(code.schedule.restriction.earliest)),
  plain("end date", ({ code }) => code && describeDate(code.schedule.restriction.latest)),
  // Without ticks there is nothing to catch up with, and the releases' defaults differ.
  plain("catchup", ({ code }) => code && (hasTicks(code) ? String(code.schedule.restriction.catchup) : "of no matter")),
  plain("max active runs", ({ state }) => state.maxActiveRuns?.toString()),
  plain("max active tasks", ({ state }) => state.maxActiveTasks?.toString()),
];

function differencesOf({ source, target }: GateDag): readonly string[] {
  if (source === undefined || target === undefined) return [];
  return SETTINGS.filter(({ equal }) => {
    const [here, there] = [equal(source), equal(target)];
    return here !== undefined && there !== undefined && here !== there;
  }).map(({ title, shown }) => `${title} ${shown(source)} on the source, ${shown(target)} on the target`);
}

function unknownOf({ source, target }: GateDag): readonly string[] {
  if (source === undefined || target === undefined) return [];
  return SETTINGS.filter(({ equal }) => equal(source) === undefined || equal(target) === undefined).map(
    ({ title }) => title,
  );
}

export function haveSameSettings({ dags }: GateFacts): Judged {
  const judged = judgeEach(dags, differencesOf, {
    green: `${SETTINGS.map(({ title }) => title).join(", ")}: the same`,
    red: "settings differ",
    next: ["deploy the same DAG files, and set the target's defaults ([core] default_timezone, ...) as on the source"],
  });
  const unknown = dags.filter((dag) => unknownOf(dag).length > 0);
  if (judged.state === "red" || unknown.length === 0) return judged;
  return {
    state: "note",
    what: `no difference is known; not told by both sides for ${countDags(unknown.length)}`,
    dags: unknown.map(({ dagId }) => dagId),
    details: unknown.map((dag) => `${dag.dagId}: ${unknownOf(dag).join(", ")}`),
  };
}

/** A tick with what its run is called on the source and on the target. */
interface Labels {
  readonly tick: Micros;
  readonly before: Micros;
  readonly after: Micros;
}

/** Without history both sides may begin at different ticks: then it is the tick of the side with intervals, which a trigger is named after. */
function labelsOfTick(here: DueRun, there: DueRun): Labels {
  if (here.runAfter === there.runAfter) {
    return { tick: there.runAfter, before: here.logicalDate, after: there.logicalDate };
  }
  return there.interval.start === there.interval.end
    ? { tick: here.runAfter, before: here.logicalDate, after: here.runAfter }
    : { tick: there.runAfter, before: there.runAfter, after: there.logicalDate };
}

/** `ds` of the next run on both sides. */
function labelsOf({ onSource }: Preview, { next }: Prediction): string {
  if (onSource.state !== "due" || next.state !== "due") return "its runs get other logical dates";
  const ds = (at: Micros): string => `${formatMicros(at)} (ds ${formatMicros(at).slice(0, 10)})`;
  const { tick, before, after } = labelsOfTick(onSource.run, next.run);
  return `the run at ${formatMicros(tick)} has logical date ${ds(after)}, not ${ds(before)}`;
}

/** Why a DAG's labels shift, or may; none where they do not. */
function shiftOf({ before, target, preview: { preview, chosen } }: GateDag): readonly string[] {
  if (before === undefined || preview === undefined) return [];
  if (chosen === undefined) {
    return ["the target's switches are not known, and decide its logical dates"];
  }
  const after = target?.code?.schedule.timetable;
  const isSame = after !== undefined && sameSchedule(before) === sameSchedule(after);
  const isShifted = isSame ? isLabelShifted(before, after) : chosen.verdict === "label-shift";
  return isShifted ? [labelsOf(preview, chosen)] : [];
}

export function keepLabels({ dags }: GateFacts): Judged {
  const judged = judgeEach(
    dags.filter((dag) => !dag.acceptsShift),
    shiftOf,
    {
      green: "the target's interval switches give runs the same logical dates",
      red: "runs get other logical dates on the target",
      next: [
        "before its first parse, on the target: [scheduler] create_cron_data_intervals = True and create_delta_data_intervals = True",
        "or accept other dates, DAG by DAG: crosswind cutover --accept-shift DAG",
      ],
    },
  );
  const accepted = dags.filter((dag) => dag.acceptsShift && shiftOf(dag).length > 0);
  const unknown = dags.filter(({ before, source }) => source !== undefined && before === undefined);
  if (judged.state === "green" && unknown.length > 0) {
    const what = `not known for ${countDags(unknown.length)}: neither side has parsed them`;
    return { state: "note", what, dags: unknown.map(({ dagId }) => dagId) };
  }
  if (judged.state === "red" || accepted.length === 0) return judged;
  return {
    state: "note",
    what: `other logical dates were accepted for ${countDags(accepted.length)}`,
    dags: accepted.map(({ dagId }) => dagId),
    details: accepted.map((dag) => `${dag.dagId}: ${shiftOf(dag).join(", ")}`),
  };
}

function isAsOnSource({ onSource }: Preview, { next }: Prediction): boolean {
  return onSource.state === "due" && next.state === "due" && onSource.run.runAfter === next.run.runAfter;
}

/** What is wrong with the next run. Ticks that the source itself would leave out are no matter of the switch. */
function faultOf({ preview: { preview, chosen } }: GateDag): readonly string[] {
  if (preview === undefined) return [];
  // Without knowing the switches it has to be right under both.
  const all = chosen === undefined ? preview.predictions : [chosen];
  return [...new Set(all.flatMap((each) => faultIn(preview, each)))];
}

function faultIn(preview: Preview, prediction: Prediction): readonly string[] {
  const { verdict, next, runId, skippedCount, skipped } = prediction;
  const run = next.state === "due" ? formatMicros(next.run.logicalDate) : "none";
  if (verdict === "repeats") return [`would repeat a tick: its next run is that of ${run}`];
  if (verdict === "id-collision") return [`its next run would be ${runId}, an id that is taken: it ends the scheduler`];
  if (verdict !== "skips" || isAsOnSource(preview, prediction)) return [];
  return [
    `would leave out ${skippedCount} ticks from ${describeDate(skipped[0] ?? null)} on: its next run is that of ${run}`,
  ];
}

function unforeseenOf({ source, preview: { preview, chosen } }: GateDag): readonly string[] {
  if (preview === undefined) return source === undefined ? [] : ["neither side has parsed it"];
  const { next } = chosen ?? preview.predictions[0];
  return next.state === "not-computable" ? [next.reason] : [];
}

export function nextRunsFollow({ dags }: GateFacts): Judged {
  const judged = judgeEach(dags, faultOf, {
    green: "every next run follows the source's newest",
    red: "next runs would not follow",
    next: ["bring the newest history: crosswind sync", "see that both sides have the same schedule and catchup"],
  });
  const unforeseen = dags.filter((dag) => unforeseenOf(dag).length > 0);
  if (judged.state === "red" || unforeseen.length === 0) return judged;
  return {
    state: "note",
    what: `can not be computed for ${countDags(unforeseen.length)}: what the target says after the import counts`,
    dags: unforeseen.map(({ dagId }) => dagId),
    details: unforeseen.map((dag) => `${dag.dagId}: ${unforeseenOf(dag).join(", ")}`),
  };
}
