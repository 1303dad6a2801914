import type { GateDag, GateFacts } from "./gate-facts.ts";
import { countDags, type Judged, judgeEach } from "./gate-judged.ts";
import { describeTie } from "./waves.ts";

/** Of one file. */
const MOST_NAMES = 5;

function renamedOf({ maybeRenamed }: Pick<GateDag, "maybeRenamed">): readonly string[] {
  if (maybeRenamed.length === 0) return [];
  return [`renamed? from a file of that name the target alone has ${maybeRenamed.slice(0, MOST_NAMES).join(", ")}`];
}

const RENAMED =
  "a DAG keeps its id through a migration: give a renamed one its old id on the target, and rename it when all is complete";

export function areOnBothSides({ dags }: GateFacts): Judged {
  const missing = (dag: GateDag): readonly string[] => [
    ...(dag.source === undefined ? ["not on the source"] : []),
    ...(dag.target === undefined ? ["not on the target", ...renamedOf(dag)] : []),
  ];
  return judgeEach(dags, missing, {
    green: `${countDags(dags.length)} on the source and on the target`,
    red: "a side does not have them",
    next: ["deploy the DAG files there and wait until they are parsed", RENAMED, "or leave them out: --dag '!DAG'"],
  });
}

export function areParsed({ dags }: GateFacts): Judged {
  const unparsed = ({ source, target, ...dag }: GateDag): readonly string[] => [
    ...(source?.state.isActive === false ? ["the source's DAG files do not have it any more"] : []),
    ...(target?.state.isActive === false ? ["not parsed on the target yet", ...renamedOf(dag)] : []),
    ...(target?.state.hasImportErrors === true ? [`import error in ${target.state.file} on the target`] : []),
  ];
  return judgeEach(dags, unparsed, {
    green: "active on the target, without import errors",
    red: "not parsed without errors",
    next: [
      "mend the DAG files on the target: airflow dags list-import-errors",
      "then wait for the next parse",
      RENAMED,
    ],
  });
}

export function arePausedOnTarget({ dags }: GateFacts): Judged {
  const unpaused = ({ target }: GateDag): readonly string[] =>
    target?.state.isPaused === false ? ["unpaused on the target"] : [];
  return judgeEach(dags, unpaused, {
    green: "paused on the target until they are switched",
    red: "unpaused on the target, where they run besides the source",
    next: ["airflow dags pause DAG, on the target", "crosswind continuity shows whether ticks ran twice"],
  });
}

export function haveNoBackfill({ dags }: GateFacts): Judged {
  const active = ({ source, target }: GateDag): readonly string[] => [
    ...(source?.backfills ?? []).map(({ id }) => `${id} on the source`),
    ...(target?.backfills ?? []).map(({ id }) => `${id} on the target`),
  ];
  return judgeEach(dags, active, {
    green: "none on either side",
    red: "backfills are active",
    next: ["wait for their end, or cancel them in Airflow"],
  });
}

/** A warning: the owner may know that nothing is missed. */
export function leaveNobodyBehind({ dags, tiesToOthers }: GateFacts): Judged {
  if (tiesToOthers.length === 0) return { state: "green", what: "no DAG is tied to one that stays on the source" };
  const going = new Set(dags.map(({ dagId }) => dagId));
  const tied = [...new Set(tiesToOthers.flatMap(({ from, to }) => [from, to]).filter((id) => going.has(id)))];
  const others = [...new Set(tiesToOthers.flatMap(({ from, to }) => [from, to]).filter((id) => !going.has(id)))];
  return {
    state: "note",
    what: `${countDags(tied.length)} tied to ${countDags(others.length)} that stay on the source, where neither sees what the other does`,
    dags: tied,
    details: tiesToOthers.map(describeTie),
    next: [
      `switch them together: --dag ${others.slice(0, MOST_NAMES).join(" --dag ")}`,
      "crosswind waves keeps them together",
    ],
  };
}

/** The default pool can not be deleted. */
const DEFAULT_POOL = "default_pool";

export function havePools({ dags, targetPools }: GateFacts): Judged {
  const missing = ({ source }: GateDag): readonly string[] =>
    (source?.code?.pools ?? []).filter((pool) => pool !== DEFAULT_POOL && !targetPools.has(pool));
  const judged = judgeEach(dags, missing, {
    green: "every pool that their tasks name is there",
    red: "pools are missing, and tasks that name one never start",
    next: ["crosswind sync, which brings pools", "or make them: airflow pools set NAME SLOTS DESCRIPTION"],
  });
  const unknown = dags.filter(({ source }) => source !== undefined && source.code === undefined);
  if (judged.state === "red" || unknown.length === 0) return judged;
  const ids = unknown.map(({ dagId }) => dagId);
  return {
    state: "note",
    what: `not known for ${countDags(ids.length)}: the source keeps no serialised form`,
    dags: ids,
  };
}

export function pendingEventsGoAlong({ dags }: GateFacts): Judged {
  const waiting = dags.filter(({ pending }) => pending != null && pending.length > 0);
  if (waiting.length > 0) {
    return {
      state: "note",
      what: `${countDags(waiting.length)} ${waiting.length === 1 ? "has" : "have"} seen some of the events waited for: these go along`,
      dags: waiting.map(({ dagId }) => dagId),
      details: waiting.map(({ dagId, pending }) => `${dagId}: ${(pending ?? []).map(({ uri }) => uri).join(", ")}`),
    };
  }
  const unknown = dags.filter(({ pending }) => pending === null).map(({ dagId }) => dagId);
  if (unknown.length === 0) return { state: "green", what: "no DAG has seen only some of what it waits for" };
  return { state: "note", what: "the source's door does not tell events that were seen: they go along", dags: unknown };
}
