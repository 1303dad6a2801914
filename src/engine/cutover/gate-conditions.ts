import type { GateFacts } from "./gate-facts.ts";
import * as dags from "./gate-judge-dags.ts";
import * as environments from "./gate-judge-environments.ts";
import * as schedules from "./gate-judge-schedules.ts";
import type { Judged } from "./gate-judged.ts";

interface ConditionRow {
  /** Stable: people override conditions by this name. */
  readonly id: string;
  readonly title: string;
  readonly judge: (facts: GateFacts) => Judged;
}

/** All conditions, in the order they are shown. */
export const CONDITIONS = [
  { id: "dag-on-both-sides", title: "The DAGs are on both sides", judge: dags.areOnBothSides },
  { id: "parsed", title: "The target has parsed them", judge: dags.areParsed },
  { id: "paused-on-target", title: "They are paused on the target", judge: dags.arePausedOnTarget },
  { id: "same-settings", title: "Their settings are the same", judge: schedules.haveSameSettings },
  { id: "interval-switches", title: "Runs keep their logical dates", judge: schedules.keepLabels },
  { id: "preview", title: "The next runs follow", judge: schedules.nextRunsFollow },
  { id: "no-active-backfill", title: "No backfill is active", judge: dags.haveNoBackfill },
  { id: "whole-chains", title: "Nobody is tied to DAGs that stay", judge: dags.leaveNobodyBehind },
  { id: "pools", title: "The target has their pools", judge: dags.havePools },
  { id: "secrets-used", title: "Connections and variables", judge: environments.secretsCanNotBeTold },
  { id: "history-copied", title: "Their history was copied", judge: environments.historyIsCopied },
  { id: "scheduler-heartbeat", title: "The schedulers are alive", judge: environments.schedulersAreAlive },
  { id: "clocks", title: "The clocks agree", judge: environments.clocksAgree },
  { id: "pending-events", title: "Events that wait for others", judge: dags.pendingEventsGoAlong },
  { id: "way-back", title: "There is a way back", judge: environments.isThereAWayBack },
] as const satisfies readonly ConditionRow[];

/** The name of a condition. */
export type ConditionId = (typeof CONDITIONS)[number]["id"];
