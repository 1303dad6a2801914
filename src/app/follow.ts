import { setTimeout as sleep } from "node:timers/promises";
import type { RunRecord } from "../domain/run.ts";
import type { EventSink } from "../domain/run-event.ts";
import { readSteps } from "../engine/copy/read-steps.ts";
import type { Database } from "../ports/database.ts";
import type { RunRecords } from "../runs/run-records.ts";

export interface Follow {
  readonly records: RunRecords;
  readonly target: Database;
  readonly run: string;
  readonly onEvent: EventSink;
  readonly signal: AbortSignal;
  /** True: to its end. False: for as long as somebody carries it. */
  readonly isPatient: boolean;
}

const LOOK_MS = 500;

function isOver({ state }: RunRecord, isPatient: boolean): boolean {
  if (state === "running") return false;
  return !(isPatient && (state === "waiting" || state === "interrupted"));
}

/** Says who carries a run, when that changes; and when it is paused or goes on. */
function teller(onEvent: EventSink) {
  let [before, wasPaused] = ["", false];
  return ({ executors, wanted }: RunRecord): void => {
    const carrier = executors.find(({ role, isAlive }) => role === "carrier" && isAlive);
    const by = carrier === undefined ? "" : `${carrier.who}@${carrier.host} (process ${carrier.pid})`;
    if (by !== before && by !== "") onEvent({ kind: "following", by });
    const isPaused = wanted === "pause";
    if (isPaused !== wasPaused) onEvent({ kind: "paused", isPaused });
    [before, wasPaused] = [by, isPaused];
  };
}

/**
 * Tells what others do of a run, from the target's ledger, as the events of an own one. Gives the run as it was found at last: over, without a
 * carrier, or as it is when `signal` is aborted; undefined where there is none.
 */
export async function followRun({
  records,
  target,
  run,
  onEvent,
  signal,
  isPatient,
}: Follow): Promise<RunRecord | undefined> {
  const tell = teller(onEvent);
  const steps = readSteps(target, run);
  for (;;) {
    const record = await records.read(run);
    for (const event of await steps()) onEvent(event);
    if (record === undefined || isOver(record, isPatient) || signal.aborted) return record;
    tell(record);
    await sleep(LOOK_MS);
  }
}
