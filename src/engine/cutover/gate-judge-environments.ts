import type { Instant } from "../../ports/control.ts";
import type { SideName } from "./automated-run.ts";
import type { GateFacts, HealthFacts } from "./gate-facts.ts";
import type { Judged } from "./gate-judged.ts";

export function secretsCanNotBeTold(): Judged {
  return {
    state: "note",
    what: "which connections and variables a DAG uses is in its code alone; those that were copied are compared by verify",
    next: ["crosswind verify", "airflow connections test CONNECTION, on the target"],
  };
}

export function historyIsCopied({ dags, base, now }: GateFacts): Judged {
  if (!("selection" in base)) return { state: "red", what: base.what, next: base.next };
  const selected = base.selection.dags;
  const left = dags.map(({ dagId }) => dagId).filter((dagId) => selected?.includes(dagId) === false);
  if (left.length > 0) {
    const next = ["crosswind sync --reselect, with the DAGs in the selection"];
    return { state: "red", what: `not selected in the copy of ${base.at}`, next, dags: left };
  }
  const minutes = Math.max(0, Math.round((now.getTime() - Date.parse(base.at)) / 60_000));
  return { state: "green", what: `as of ${base.at} (${minutes} min ago); what came since comes with the switch` };
}

/** Airflow's own `scheduler_health_check_threshold`. */
const LATEST_HEARTBEAT_MS = 30_000;

/** Null: none was ever heard. */
function heartbeatAge({ schedulerHeartbeatAt, clock }: HealthFacts[SideName]): number | null {
  return schedulerHeartbeatAt === null ? null : Math.max(0, millis(clock.at) - millis(schedulerHeartbeatAt));
}

function millis(at: Instant): number {
  return Date.parse(at);
}

export function schedulersAreAlive({ dags, health }: GateFacts): Judged {
  // A DAG that is paused on the source needs nobody there to end its runs.
  const isSourceNeeded = dags.some(({ source }) => source?.state.isPaused === false);
  const needed: readonly SideName[] = isSourceNeeded ? ["source", "target"] : ["target"];
  const details = needed.map((side) => {
    const age = heartbeatAge(health[side]);
    return `${side}: ${age === null ? "no scheduler was ever heard" : `last heard ${Math.round(age / 1000)} s ago`}`;
  });
  const silent = needed.filter(
    (side) => (heartbeatAge(health[side]) ?? Number.POSITIVE_INFINITY) > LATEST_HEARTBEAT_MS,
  );
  if (silent.length === 0) return { state: "green", what: details.join("; "), details };
  return {
    state: "red",
    what: `no scheduler was heard in the last 30 s on the ${silent.join(" and the ")}`,
    next: [`start it: airflow scheduler, on the ${silent.join(" and the ")}`],
    details,
  };
}

const MOST_APART_MS = 1000;

/** Each clock was read up to its resolution after what it says, and both at most `apartMs` apart: what is left differs for certain. */
export function clocksAgree({ health }: GateFacts): Judged {
  const { source, target, apartMs } = health;
  const ahead = millis(target.clock.at) - millis(source.clock.at);
  const [low, high] = [ahead - source.clock.resolutionMs, ahead + target.clock.resolutionMs];
  const certain = Math.max(0, Math.max(low, -high) - apartMs);
  const exact = apartMs + Math.max(source.clock.resolutionMs, target.clock.resolutionMs);
  if (certain <= MOST_APART_MS)
    return { state: "green", what: `no more than a second apart, as far as can be told (to ${exact} ms)` };
  const side = ahead > 0 ? "target" : "source";
  return {
    state: "red",
    what: `the ${side}'s clock is ahead by ${(Math.abs(ahead) / 1000).toFixed(1)} s: its runs begin at other moments`,
    next: ["set both clocks by NTP: timedatectl status, on both sides"],
  };
}

/** Without these there is no going back with the work that was done. */
const BACK = ["dag_run", "task_instance", "xcom"];

export function isThereAWayBack({ wayBack }: GateFacts): Judged {
  const missing = BACK.filter((entity) => !wayBack.has(entity));
  if (missing.length === 0)
    return { state: "green", what: "what runs on the target can be brought back to the source" };
  return {
    state: "red",
    what: `this pair of releases has no translation back for ${missing.join(", ")}`,
    next: ["go without a way back: --override way-back=REASON"],
  };
}
